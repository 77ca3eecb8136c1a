# What the display says about an update: how far it has come, or why it was refused and what the
# device would take instead. Few words, for a person in a hallway.

# Reason codes are the bootloader's (docs/reference/decisions.md). An application stands alone, so
# it repeats those that it has words for; the tests compare them with the bootloader's own list.
# fmt: off
FILE_IDENTIFIER        = 1
TOO_LARGE              = 5
MANUFACTURER_CODE      = 6
IMAGE_TYPE             = 7
HARDWARE_VERSION       = 8
HEADER_MISMATCH        = 13
ALREADY_RUNNING        = 15
BELOW_MINIMUM_BASE     = 16
NOT_A_PREDECESSOR      = 17
SECURITY_COUNTER       = 18
PAYLOAD_HASH           = 20
UNKNOWN_SIGNER         = 21
MANUFACTURER_SIGNATURE = 22
SUPPLIER_SIGNATURE     = 23
SUPPLIER_MISSING       = 24
NO_LONGER_ALLOWED      = 34
TRIAL_CRASHED          = 40
TRIAL_HUNG             = 41
TRIAL_UNCONFIRMED      = 42
TRIAL_NOT_STARTED      = 43
# fmt: on

_WORDS = {
    FILE_IDENTIFIER: "it is none",
    TOO_LARGE: "too large for this device",
    MANUFACTURER_CODE: "made for another manufacturer",
    IMAGE_TYPE: "made for another kind of device",
    HARDWARE_VERSION: "made for other hardware",
    HEADER_MISMATCH: "header does not belong to it",
    ALREADY_RUNNING: "already running",
    SECURITY_COUNTER: "withdrawn for security",
    PAYLOAD_HASH: "damaged on the way",
    UNKNOWN_SIGNER: "signed by a stranger",
    MANUFACTURER_SIGNATURE: "signature is wrong",
    SUPPLIER_SIGNATURE: "supplier's signature is wrong",
    SUPPLIER_MISSING: "supplier's signature is missing",
}
_PATHWAY = (BELOW_MINIMUM_BASE, NOT_A_PREDECESSOR, NO_LONGER_ALLOWED)
_TRIAL = {
    TRIAL_CRASHED: "it failed its self-test",
    TRIAL_HUNG: "it stood still",
    TRIAL_UNCONFIRMED: "it did not report in time",
    TRIAL_NOT_STARTED: "it did not start",
}


# 0x01010000 -> "1.1.0"; the last octet is shown where a release uses it
def version_text(file_version: int) -> str:
    text = "%d.%d.%d" % (file_version >> 24, file_version >> 16 & 0xFF, file_version >> 8 & 0xFF)
    return text + ".%d" % (file_version & 0xFF) if file_version & 0xFF else text


# Progress in steps of five: a display, and a console that carries the image at the same time, need
# no more.
def progress_lines(state: str, received: int, total: int) -> "tuple[str, ...]":
    if state == "receiving":
        percent = 100 * received // total // 5 * 5 if total else 0
        return ("Update: %d %% received" % percent,)
    if state == "verifying":
        return ("Update: checking",)
    if state == "staged":
        return ("Update: ready",)
    if state == "pending":
        return ("Update: starts now",)
    return ()


def verdict_lines(verdict: "object | None") -> "tuple[str, ...]":
    if verdict is None or not verdict.reason:
        return ()
    reason = verdict.reason
    # refused before its version could be read
    offered = "Update"
    if verdict.offered_version:
        offered += " " + version_text(verdict.offered_version)
    if reason in _TRIAL:
        return ("%s undone: %s" % (offered, _TRIAL[reason]),)
    words = _pathway_words(verdict) if reason in _PATHWAY else _WORDS.get(reason)
    return ("%s refused: %s" % (offered, words or "reason %d" % reason),)


def _pathway_words(verdict: object) -> str:
    # a listed version below the minimum would be refused as well: no use naming it
    steps = [
        _step_text(version, digest, verdict.running_version)
        for version, digest in verdict.accepts
        if version >= verdict.minimum_base_version
    ]
    if len(steps) > 3:
        steps[3:] = ["others"]
    if steps:
        return "needs " + " or ".join(steps) + " first"
    if verdict.minimum_base_version > verdict.running_version:
        return "needs %s or later first" % version_text(verdict.minimum_base_version)
    return "only for a device without firmware"


# Equal versions may differ in their hash: where the number alone would say what runs already, the
# beginning of the hash says which is meant.
def _step_text(version: int, digest: "bytes | None", running_version: int) -> str:
    text = version_text(version)
    if digest is not None and version == running_version:
        text += " [%02x%02x%02x%02x]" % tuple(digest[:4])
    return text
