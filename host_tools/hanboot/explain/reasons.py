"""What a reason code means and what to do about it, in words.

The device keeps and sends the codes of `hanbootloader.reasons`; their texts stand here, once. The
table in docs/reference/decisions.md is `reasons_markdown()`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hanbootloader import reasons


class Reason(enum.IntEnum):
    """Why an image was refused, or `ACCEPTED`: the numbers of `hanbootloader.reasons`.

    A number that this version does not know, of a newer device, is a member of its own.

    >>> Reason(17).label
    'not-a-predecessor'
    >>> Reason(9999).label
    'reason-9999'
    """

    ACCEPTED = reasons.ACCEPTED
    FILE_IDENTIFIER = reasons.FILE_IDENTIFIER
    HEADER_VERSION = reasons.HEADER_VERSION
    FIELD_CONTROL = reasons.FIELD_CONTROL
    SIZE_MISMATCH = reasons.SIZE_MISMATCH
    TOO_LARGE = reasons.TOO_LARGE
    MANUFACTURER_CODE = reasons.MANUFACTURER_CODE
    IMAGE_TYPE = reasons.IMAGE_TYPE
    HARDWARE_VERSION = reasons.HARDWARE_VERSION
    ENVELOPE = reasons.ENVELOPE
    ENCODING = reasons.ENCODING
    MANIFEST_MALFORMED = reasons.MANIFEST_MALFORMED
    UNKNOWN_EVEN_KEY = reasons.UNKNOWN_EVEN_KEY
    HEADER_MISMATCH = reasons.HEADER_MISMATCH
    LAYOUT = reasons.LAYOUT
    ALREADY_RUNNING = reasons.ALREADY_RUNNING
    BELOW_MINIMUM_BASE = reasons.BELOW_MINIMUM_BASE
    NOT_A_PREDECESSOR = reasons.NOT_A_PREDECESSOR
    SECURITY_COUNTER = reasons.SECURITY_COUNTER
    PADDING = reasons.PADDING
    PAYLOAD_HASH = reasons.PAYLOAD_HASH
    UNKNOWN_SIGNER = reasons.UNKNOWN_SIGNER
    MANUFACTURER_SIGNATURE = reasons.MANUFACTURER_SIGNATURE
    SUPPLIER_SIGNATURE = reasons.SUPPLIER_SIGNATURE
    SUPPLIER_MISSING = reasons.SUPPLIER_MISSING
    TRAILER = reasons.TRAILER
    HIGH_S_SIGNATURE = reasons.HIGH_S_SIGNATURE
    NO_IMAGE_HELD = reasons.NO_IMAGE_HELD
    HASH_MISMATCH = reasons.HASH_MISMATCH
    NO_LONGER_ALLOWED = reasons.NO_LONGER_ALLOWED
    TRIAL_CRASHED = reasons.TRIAL_CRASHED
    TRIAL_HUNG = reasons.TRIAL_HUNG
    TRIAL_UNCONFIRMED = reasons.TRIAL_UNCONFIRMED
    TRIAL_NOT_STARTED = reasons.TRIAL_NOT_STARTED
    SLOT_DAMAGED = reasons.SLOT_DAMAGED
    NOT_PROVISIONED = reasons.NOT_PROVISIONED
    TRIAL_RUNNING = reasons.TRIAL_RUNNING
    FLASH_FAULT = reasons.FLASH_FAULT
    VERIFIER_FAULT = reasons.VERIFIER_FAULT
    ANCHORS_LOCKED = reasons.ANCHORS_LOCKED
    ANCHOR_MALFORMED = reasons.ANCHOR_MALFORMED
    ANCHOR_SIGNATURE = reasons.ANCHOR_SIGNATURE
    ANCHOR_SEQUENCE = reasons.ANCHOR_SEQUENCE
    MESSAGE_FORMAT = reasons.MESSAGE_FORMAT
    MESSAGE_USE_CASE = reasons.MESSAGE_USE_CASE
    MESSAGE_PAYLOAD = reasons.MESSAGE_PAYLOAD
    MESSAGE_PROTECTION = reasons.MESSAGE_PROTECTION
    MESSAGE_RECIPIENT = reasons.MESSAGE_RECIPIENT
    MESSAGE_ORIGINATOR = reasons.MESSAGE_ORIGINATOR
    MESSAGE_COUNTER = reasons.MESSAGE_COUNTER
    MESSAGE_SIGNATURE = reasons.MESSAGE_SIGNATURE
    MESSAGE_MAC = reasons.MESSAGE_MAC
    PEER_KEY = reasons.PEER_KEY
    BROKER_MISSING = reasons.BROKER_MISSING
    TIME_UNKNOWN = reasons.TIME_UNKNOWN
    TIME_PAST = reasons.TIME_PAST
    CLOCK_LEAPT = reasons.CLOCK_LEAPT
    KEYS_LOCKED = reasons.KEYS_LOCKED
    NO_ENTROPY = reasons.NO_ENTROPY
    CPL_ENTRY_MISSING = reasons.CPL_ENTRY_MISSING
    CPL_ENTRY = reasons.CPL_ENTRY

    @classmethod
    def _missing_(cls, value: object) -> Reason | None:
        if not isinstance(value, int) or value < 0:
            return None
        unknown = int.__new__(cls, value)
        unknown._name_, unknown._value_ = f"REASON_{value}", value
        return unknown

    @property
    def label(self) -> str:
        """The name in words, e.g. "not-a-predecessor"."""
        return self.name.lower().replace("_", "-")


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
        code: the number, as in `hanbootloader.reasons`.
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

# name in hanbootloader.reasons: (meaning, remedy, outcome)
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
        "the OTA Header, which is not signed, differs from the signed manifest",
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
        "look at what it wrote to the console, and fix it",
        _ACTIVATION_FAILURE,
    ),
    "TRIAL_HUNG": (
        "the application stood still until the watchdog reset the device",
        "look for what blocks it, and fix it",
        _ACTIVATION_FAILURE,
    ),
    "TRIAL_UNCONFIRMED": (
        "the application ran, but did not confirm itself in time",
        "look at why its self-test does not pass, and fix it",
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
        "the trust anchors are written already, and the new one does not succeed one rightly",
        "look at hanboot board anchors show; a successor goes in by hanboot board anchors update",
        _NONE,
    ),
    "ANCHOR_MALFORMED": (
        "the trust anchor cell is malformed, its key identifier is not its key's, or it is for "
        "another type of device",
        "provision again, with a host tool of the device's version",
        _NONE,
    ),
    "ANCHOR_SIGNATURE": (
        "the trust anchor is not signed by a key that the device holds",
        "sign it with the key that it replaces, or with the manufacturer's",
        _NONE,
    ),
    "ANCHOR_SEQUENCE": (
        "the trust anchor's sequence is too far above the device's: it would leave no room for a "
        "successor",
        "give it the next sequence: hanboot board anchors show prints the device's",
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
    "BROKER_MISSING": (
        "the device holds no key of the Access Control Broker, so it cannot check a MAC",
        "provision the broker's key agreement key; boards of the development tiers may go without",
        _ACTIVATION_FAILURE,
    ),
    "TIME_UNKNOWN": (
        "the activation is for a date, and the device does not know the network's time",
        "let the hub give the time, and send the command again",
        _ACTIVATION_FAILURE,
    ),
    "TIME_PAST": (
        "the activation is for a date that is past",
        "send it again with a date to come, or without one",
        _ACTIVATION_FAILURE,
    ),
    "CLOCK_LEAPT": (
        "the network's time was set past the date of the activation, and did not run there",
        "check the hub's clock, and send the command again",
        _ACTIVATION_FAILURE,
    ),
    "KEYS_LOCKED": (
        "the device has its keys already, and is locked",
        "keep them: they are made or written once, before the manufacturer's anchor",
        _NONE,
    ),
    "NO_ENTROPY": (
        "the chip's random numbers repeat: a key made of them could be guessed",
        "write keys that were made elsewhere, or look at the chip's generator",
        _NONE,
    ),
    "CPL_ENTRY_MISSING": (
        "the board takes an image by cable only with its CPL entry, and has none for this one",
        "give the entry for this very image: hanboot upload --cpl-entry",
        _NONE,
    ),
    "CPL_ENTRY": (
        "the CPL entry is malformed, for another model, or not signed by the key that the board "
        "names",
        "have the registry's keeper make it for this device: hanboot registry cpl-entry",
        _NONE,
    ),
}


def _explanations() -> dict[int, Explanation]:
    return {reason: Explanation(reason, reason.label, *_TEXTS[reason.name]) for reason in Reason}


#: Every reason code of `hanbootloader.reasons`, in its order there.
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
