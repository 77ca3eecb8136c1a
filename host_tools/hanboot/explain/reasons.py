"""What a reason code means and what to do about it, in words.

The device keeps and sends the codes of `bootloader.reasons`; their texts stand here, once. The
table in docs/reference/decisions.md is `reasons_markdown()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bootloader import policy, reasons
from bootloader.image import manifest, ota

# --- what a supplier sees over GBCS

#: alert, GBCS 16
_VERIFIED = "alert 0x8F72 Firmware Verification Successful"
_FAILED = "alert 0x8F1C Firmware Verification Failed"
_FAILED_AT_POWER_ON = "alert 0x8F1B Firmware Verification Failed At Power On"
#: activateImageResponseCode, GBCS 11.5 (CS06)
_NO_IMAGE_HELD = "activation 1 noImageHeld"
_HASH_MISMATCH = "activation 2 hashMismatch"
_ACTIVATION_FAILURE = "activation 3 activationFailure"
_NONE = "none"


@dataclass(frozen=True)
class Explanation:
    """One reason code in words.

    Attributes:
        code: the number, as in `bootloader.reasons`.
        name: the same in words, e.g. "not-a-predecessor".
        meaning: what was found, one line.
        remedy: what to do, one line.
        outcome: what a supplier sees of it over GBCS.
    """

    code: int
    name: str
    meaning: str
    remedy: str
    outcome: str


_BUILD_AGAIN = "fetch or build the image again"
_THIS_DEVICE = "check that the image is for this device"
_MANUFACTURER = "ask the manufacturer for a well-formed image"

# name in bootloader.reasons: (meaning, remedy, outcome)
_TEXTS = {
    "ACCEPTED": (
        "the image verifies and may follow what runs",
        "activate it",
        _VERIFIED,
    ),
    "FILE_IDENTIFIER": (
        "not an OTA upgrade file, which begins with 1E F1 EE 0B (0x0BEEF11E)",
        "give the OTA Upgrade Image, not its payload or an archive of it",
        _FAILED,
    ),
    "HEADER_VERSION": (
        "OTA Header version and length must be 0x0100 and 60",
        _MANUFACTURER,
        _FAILED,
    ),
    "FIELD_CONTROL": (
        "OTA Header field control must be 0x0004, hardware versions present and nothing else",
        _MANUFACTURER,
        _FAILED,
    ),
    "SIZE_MISMATCH": (
        "Total Image size is not the size of the file",
        "fetch the file again: it was cut short, or octets were added",
        _FAILED,
    ),
    "TOO_LARGE": (
        "the Manufacturer Image does not fit a slot of the device",
        "make the application smaller",
        _FAILED,
    ),
    "MANUFACTURER_CODE": (
        "the image is by another manufacturer",
        _THIS_DEVICE,
        _FAILED,
    ),
    "IMAGE_TYPE": (
        "the image is of another image type, that is for another model",
        _THIS_DEVICE,
        _FAILED,
    ),
    "HARDWARE_VERSION": (
        "the device's hardware version is outside the image's range",
        "take the image that is made for this hardware version",
        _FAILED,
    ),
    "ENVELOPE": (
        "the Manufacturer Image does not begin with a hanboot envelope",
        "give an image that hanboot image build made",
        _FAILED,
    ),
    "ENCODING": (
        "the manifest is not deterministic CBOR",
        _BUILD_AGAIN,
        _FAILED,
    ),
    "MANIFEST_MALFORMED": (
        "a manifest key is missing, or its value is of the wrong type or range",
        _BUILD_AGAIN,
        _FAILED,
    ),
    "UNKNOWN_EVEN_KEY": (
        "the manifest holds a rule (an even key) that this version does not know",
        "build it without the rule: a device's bootloader learns no new ones",
        _FAILED,
    ),
    "HEADER_MISMATCH": (
        "the OTA Header, which nobody signed, says something else than the signed manifest",
        "fetch the image again from who built it: its header was changed",
        _FAILED,
    ),
    "LAYOUT": (
        "after the payload must come nothing, or a trailer of 66 octets",
        _BUILD_AGAIN,
        _FAILED,
    ),
    "ALREADY_RUNNING": (
        "the device runs this very image",
        "nothing to do",
        _FAILED,
    ),
    "BELOW_MINIMUM_BASE": (
        "what runs is older than the image's minimum base version",
        "install a predecessor that the image accepts first",
        _FAILED,
    ),
    "NOT_A_PREDECESSOR": (
        "the image does not name what runs as firmware that it may follow",
        "install a predecessor that the image accepts first",
        _FAILED,
    ),
    "SECURITY_COUNTER": (
        "the image's security counter is below the device's: it would undo a security fix",
        "take a later release",
        _FAILED,
    ),
    "PADDING": (
        "the octets between envelope and payload are not zero",
        "fetch the image again: it was damaged or changed",
        _FAILED,
    ),
    "PAYLOAD_HASH": (
        "the payload is not the one that the manifest describes",
        "fetch the image again: it was damaged or changed",
        _FAILED,
    ),
    "UNKNOWN_SIGNER": (
        "the envelope is signed by a key that is not the manufacturer's trust anchor",
        "have the manufacturer sign it, or check which key is in the trust anchor cell",
        _FAILED,
    ),
    "MANUFACTURER_SIGNATURE": (
        "the manufacturer's signature on the envelope is wrong",
        "fetch the image again: it was damaged or changed, or never signed",
        _FAILED,
    ),
    "SUPPLIER_SIGNATURE": (
        "the Authorising Remote Party Signature is not the supplier's over this image",
        "have the supplier sign it: hanboot image sign",
        _FAILED,
    ),
    "SUPPLIER_MISSING": (
        "there is no Authorising Remote Party Signature, and one is required",
        "have the supplier sign it: hanboot image sign",
        _FAILED,
    ),
    "TRAILER": (
        "the octet before the Authorising Remote Party Signature must be its length, 0x40",
        "have the supplier sign it again: hanboot image sign",
        _FAILED,
    ),
    "HIGH_S_SIGNATURE": (
        "the envelope's signature has the higher s of the two that verify (s above n / 2)",
        "replace s by n - s: hanboot image attach does it",
        _FAILED,
    ),
    "NO_IMAGE_HELD": (
        "the device holds no image to activate",
        "upload one first",
        _NO_IMAGE_HELD,
    ),
    "HASH_MISMATCH": (
        "the image that is held has another Manufacturer Image Hash",
        "upload the right image, or activate the one that is held",
        _HASH_MISMATCH,
    ),
    "NO_LONGER_ALLOWED": (
        "what runs has changed since the image was staged, and the image may not follow it",
        "install a predecessor that the image accepts first",
        _ACTIVATION_FAILURE,
    ),
    "TRIAL_CRASHED": (
        "the application ended or failed before it confirmed itself",
        "look at what it wrote to the console, and mend it",
        _ACTIVATION_FAILURE,
    ),
    "TRIAL_HUNG": (
        "the application stood still until the watchdog reset the device",
        "look for what blocks it, and mend it",
        _ACTIVATION_FAILURE,
    ),
    "TRIAL_UNCONFIRMED": (
        "the application ran, but did not confirm itself in time",
        "look at why its self-test does not pass, and mend it",
        _ACTIVATION_FAILURE,
    ),
    "TRIAL_NOT_STARTED": (
        "three starts of the image left no word of how they ended",
        "check the device's power supply, then upload the image again",
        _ACTIVATION_FAILURE,
    ),
    "SLOT_DAMAGED": (
        "an installed image no longer verifies",
        "upload the same image again, unless the device fell back to the one before",
        _FAILED_AT_POWER_ON,
    ),
    "NOT_PROVISIONED": (
        "the device has no trust anchors yet",
        "provision it: hanboot board provision",
        _NONE,
    ),
    "TRIAL_RUNNING": (
        "an image is on trial, and both slots are needed until it is confirmed or reverted",
        "wait for the end of the trial, then upload again",
        _NONE,
    ),
    "FLASH_FAULT": (
        "the flash did not take what was written to it",
        "upload again; if it stays, the flash is worn and the device is to be replaced",
        _NONE,
    ),
    "VERIFIER_FAULT": (
        "the device could not verify: its arithmetic failed its test, or found no memory beside "
        "the application",
        "reset it; if it stays, the device is to be replaced",
        _FAILED,
    ),
    "ANCHORS_LOCKED": (
        "the trust anchors are written already, and the new one does not replace one rightly",
        "sign it with a key that the device holds, and give it a higher sequence",
        _NONE,
    ),
    "ANCHOR_MALFORMED": (
        "the trust anchor cell is malformed, or its octets changed on the way",
        "provision again, with a host tool of the device's version",
        _NONE,
    ),
    "ANCHOR_SIGNATURE": (
        "the trust anchor is not signed by a key that the device holds",
        "sign it with the key that it replaces, or with the manufacturer's",
        _NONE,
    ),
    "MESSAGE_FORMAT": (
        "not a GBCS message, or something stands before or after it",
        "send the message alone, as octets, as GBCS 7.2 writes it",
        _NONE,
    ),
    "MESSAGE_USE_CASE": (
        "a message of a use case that is not served here",
        "send firmware messages of this device type: CS06 or CS08",
        _NONE,
    ),
    "MESSAGE_PAYLOAD": (
        "the payload is not what its use case has, in its one encoding",
        "encode it as DER, with the fewest octets and nothing after it",
        _NONE,
    ),
    "MESSAGE_PROTECTION": (
        "the message lacks the signature or the MAC of its use case, or has one too many",
        "send its final form: a CS06 command is signed and has a MAC",
        _NONE,
    ),
    "MESSAGE_RECIPIENT": (
        "the message is for another device",
        "send it to the device that it names",
        _NONE,
    ),
    "MESSAGE_ORIGINATOR": (
        "the message is from a party that may not send it to this device",
        "have the party send it whose key the device holds for that",
        _NONE,
    ),
    "MESSAGE_COUNTER": (
        "the originator counter is not above the last one, or not the payload's",
        "send it again with a higher counter: this message was seen before, or came late",
        _NONE,
    ),
    "MESSAGE_SIGNATURE": (
        "the message's signature does not verify with the key of its originator",
        "have the originator sign it; it was changed, or signed by another key",
        _NONE,
    ),
    "MESSAGE_MAC": (
        "the message's MAC is not the one that the shared secret gives",
        "check the key agreement keys of both sides; the message may have been changed",
        _NONE,
    ),
    "PEER_KEY": (
        "the peer's key agreement key is not a point of P-256",
        "fetch the peer's certificate again",
        _NONE,
    ),
}


def _explanations() -> dict[int, Explanation]:
    codes = {name: code for name, code in vars(reasons).items() if name.isupper()}
    return {
        code: Explanation(code, name.lower().replace("_", "-"), *_TEXTS[name])
        for name, code in codes.items()
    }


#: Every reason code of `bootloader.reasons`, in its order there.
REASONS = _explanations()


def explain(reason: int) -> Explanation:
    """The words for `reason`; a code of a newer device gets a stand-in."""
    return REASONS.get(reason) or Explanation(
        reason,
        f"reason-{reason}",
        "this version of hanboot does not know the reason",
        "use host tools as new as the device",
        "unknown",
    )


def reasons_markdown() -> str:
    """The table of all reason codes, for docs/reference/decisions.md."""
    lines = ["| code | reason | meaning | remedy | what a supplier sees |", "|---|---|---|---|---|"]
    for entry in REASONS.values():
        lines.append(
            f"| {entry.code} | `{entry.name}` | {entry.meaning} | {entry.remedy} "
            f"| {entry.outcome} |"
        )
    return "\n".join(lines) + "\n"


# --- values


def version_text(file_version: int) -> str:
    """A File Version as the registry writes it and octet by octet: "01010000 (1.1.0.0)"."""
    octets = file_version.to_bytes(4, "big")
    return f"{file_version:08X} ({'.'.join(str(octet) for octet in octets)})"


def hardware_text(hardware_version: int) -> str:
    """A hardware version with version and revision apart: "0x0102 (1.2)"."""
    return f"0x{hardware_version:04X} ({hardware_version >> 8}.{hardware_version & 0xFF})"


_DEVICE_TYPES = {
    policy.GSME: "GSME",
    policy.ESME: "ESME",
    policy.HCALCS: "HCALCS",
    policy.PPMID: "PPMID",
    policy.IHD: "IHD",
}


def device_type(number: int) -> str:
    """The name of a device type, as GBCS numbers them."""
    return _DEVICE_TYPES.get(number, f"device type {number}")


# --- places

#: Fields of the OTA Header, ZCL 11.4.2 and GBCS 11.2.2: (offset, octets, name)
HEADER_FIELDS = (
    (ota.IDENTIFIER_AT, 4, "OTA upgrade file identifier"),
    (ota.HEADER_VERSION_AT, 2, "OTA Header version"),
    (ota.HEADER_LENGTH_AT, 2, "OTA Header length"),
    (ota.FIELD_CONTROL_AT, 2, "OTA Header field control"),
    (ota.MANUFACTURER_CODE_AT, 2, "Manufacturer code"),
    (ota.IMAGE_TYPE_AT, 2, "Image type"),
    (ota.FILE_VERSION_AT, 4, "File version"),
    (ota.STACK_VERSION_AT, 2, "ZigBee stack version"),
    (ota.HEADER_STRING_AT, 32, "OTA Header string"),
    (ota.TOTAL_BYTES_AT, 4, "Total Image size"),
    (ota.HARDWARE_AT, 2, "Minimum hardware version"),
    (ota.HARDWARE_AT + 2, 2, "Maximum hardware version"),
)

#: What the manifest must hold under each key: (name, rule)
MANIFEST_FIELDS = {
    manifest.FORMAT: ("format", "1"),
    manifest.MANUFACTURER_CODE: ("manufacturer_code", "0 to 0xFFFF"),
    manifest.IMAGE_TYPE: ("image_type", "0 to 0xFFFF"),
    manifest.FILE_VERSION: ("file_version", "0 to 0xFFFFFFFF"),
    manifest.HARDWARE: ("hardware", "[minimum, maximum], 0 to 0xFFFF, the maximum not below"),
    manifest.PAYLOAD: ("payload", "[0 for ROMFS, length, SHA-256]"),
    manifest.PREDECESSORS: (
        "predecessors",
        "a list of [file_version, hash or null, CPL Entry ID or null]",
    ),
    manifest.MINIMUM_BASE_VERSION: ("minimum_base_version", "0 to 0xFFFFFFFF"),
    manifest.SECURITY_COUNTER: ("security_counter", "0 to 0xFFFFFFFF"),
    manifest.POINT_OF_NO_RETURN: ("point_of_no_return", "true, or absent"),
    manifest.CPL_ENTRY_ID: ("cpl_entry_id", "text of at most 256 octets"),
    manifest.LABEL: ("label", "text of at most 256 octets"),
    manifest.RELEASE_NOTES: ("release_notes", "text of at most 256 octets"),
}

# reasons whose offset is an octet of the file, within the OTA Header
_IN_HEADER = (
    reasons.FILE_IDENTIFIER,
    reasons.HEADER_VERSION,
    reasons.FIELD_CONTROL,
    reasons.SIZE_MISMATCH,
    reasons.MANUFACTURER_CODE,
    reasons.IMAGE_TYPE,
    reasons.HARDWARE_VERSION,
)


def place(reason: int, offset: int) -> str:
    """Where `reason` was found: offset, field and clause; empty where it concerns no one place.

    Args:
        offset: as `bootloader.reasons.Refused` carries it with `reason`.
    """
    if offset < 0:
        return ""
    if reason in _IN_HEADER:
        for start, _, name in HEADER_FIELDS:
            if start == offset:
                return f"octet {offset}, {name} (GBCS 11.2.2)"
        if reason == reasons.FILE_IDENTIFIER:
            return f"octet {offset}, where it ends, before the end of a header (GBCS 11.2.2)"
        return f"octet {offset} (GBCS 11.2.2)"
    if reason == reasons.ENVELOPE:
        return f"octet {ota.HEADER_BYTES + offset}, COSE_Sign1 (RFC 9052 4.2)"
    if reason == reasons.ENCODING:
        return f"octet {offset} of the manifest (RFC 8949 4.2.1)"
    if reason == reasons.UNKNOWN_EVEN_KEY:
        return f"manifest key {offset}"
    if reason == reasons.MANIFEST_MALFORMED:
        name, rule = MANIFEST_FIELDS.get(offset, ("unknown", ""))
        return f"manifest key {offset} ({name}) must be {rule}"
    if reason == reasons.LAYOUT:
        if reason == reasons.FILE_IDENTIFIER:
            return f"octet {offset}, where it ends, before the end of a header (GBCS 11.2.2)"
        return f"octet {offset} (GBCS 11.2.2)"
    if reason == reasons.TRAILER:
        return f"octet {offset} of the trailer (GBCS 11.2.3)"
    return f"octet {offset}"


# --- verdicts


class Firmware(Protocol):
    """A firmware as a verdict names it."""

    @property
    def file_version(self) -> int: ...
    @property
    def image_hash(self) -> bytes | None: ...


class Verdict(Protocol):
    """A device's word on an image, see `hanboot.device.client.Verdict`."""

    @property
    def reason(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def offered(self) -> Firmware: ...
    @property
    def running(self) -> Firmware | None: ...
    @property
    def minimum_base_version(self) -> int: ...
    @property
    def accepts(self) -> Sequence[Firmware]: ...
    @property
    def accepts_total(self) -> int: ...


def firmware_text(firmware: Firmware) -> str:
    """A firmware's version, with the beginning of its hash where that is known."""
    digest = firmware.image_hash
    return version_text(firmware.file_version) + (
        f" with hash {digest.hex()[:16]}…" if digest else ""
    )


def verdict_lines(verdict: Verdict) -> tuple[str, str, str]:
    """What happened, why, and what to do about it: one line each."""
    words = explain(verdict.reason)
    offered = verdict.offered
    named = offered.file_version or offered.image_hash
    if verdict.reason == reasons.ACCEPTED:
        if not named:
            return (
                "the device refused",
                "it gave no reason",
                "hanboot status shows what it runs and holds",
            )
        return f"{version_text(offered.file_version)} was accepted", words.meaning, words.remedy
    subject = f"{version_text(offered.file_version)} was refused" if named else "refused"
    return f"{subject}: {words.name}", _why(verdict, words), _remedy(verdict, words)


def _why(verdict: Verdict, words: Explanation) -> str:
    if verdict.reason in policy.PATHWAY:
        running = "no application runs"
        if verdict.running is not None:
            running = f"{firmware_text(verdict.running)} runs"
        if verdict.reason == reasons.BELOW_MINIMUM_BASE:
            minimum = version_text(verdict.minimum_base_version)
            return f"{running}, and the image needs at least {minimum}"
        if verdict.reason == reasons.NO_LONGER_ALLOWED:
            return f"{running}: {words.meaning}"
        if verdict.running is None:
            return f"{running}, and the image may only follow firmware that it names"
        return f"{running}, which the image does not name as firmware that it may follow"
    where = place(verdict.reason, verdict.offset)
    return f"{where}: {words.meaning}" if where else words.meaning


def _remedy(verdict: Verdict, words: Explanation) -> str:
    if verdict.reason not in policy.PATHWAY:
        return words.remedy
    if not verdict.accepts:
        if verdict.running is None:
            return words.remedy
        return "the image names no firmware that it may follow: take another release"
    accepted = " or ".join(firmware_text(firmware) for firmware in verdict.accepts)
    more = verdict.accepts_total - len(verdict.accepts)
    if verdict.running is not None and more <= 0:
        newest = max(firmware.file_version for firmware in verdict.accepts)
        # as a rule no way leads back to it; a registry knows
        if newest < verdict.running.file_version:
            return f"take a later release: this one is for devices that run {accepted}"
    return f"install {accepted}{f' (or one of {more} more)' if more > 0 else ''} first"
