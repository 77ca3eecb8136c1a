# Why an image was refused, as one small integer.
#
# The numbers are part of the formats: the journal keeps them and the link sends them, so a
# number is never given a second meaning. Meanings, remedies and the GBCS outcome that a supplier
# would see stand in docs/reference/decisions.md; their texts live in the host tools, not in flash.

from hanbootloader.compat import const

# fmt: off
ACCEPTED               = const(0)

# the OTA Header, checked on the first 60 bytes
FILE_IDENTIFIER        = const(1)   # not an OTA upgrade file
HEADER_VERSION         = const(2)   # OTA Header version or length is not GBCS's
FIELD_CONTROL          = const(3)   # OTA Header field control is not 'hardware versions present'
SIZE_MISMATCH          = const(4)   # Total Image size is not the size that arrives
TOO_LARGE              = const(5)   # the Manufacturer Image does not fit a slot
MANUFACTURER_CODE      = const(6)
IMAGE_TYPE             = const(7)
HARDWARE_VERSION       = const(8)

# the manifest, checked before anything is erased
ENVELOPE               = const(9)   # no COSE_Sign1 envelope of ours at the front
ENCODING               = const(10)  # not deterministic CBOR
MANIFEST_MALFORMED     = const(11)  # a key is missing, or a value of the wrong type or range
UNKNOWN_EVEN_KEY       = const(12)
HEADER_MISMATCH        = const(13)  # OTA Header and manifest do not say the same
LAYOUT                 = const(14)  # what follows the payload is neither nothing nor a trailer
ALREADY_RUNNING        = const(15)
BELOW_MINIMUM_BASE     = const(16)
NOT_A_PREDECESSOR      = const(17)
SECURITY_COUNTER       = const(18)

# the bytes and the signatures, checked once all have arrived
PADDING                = const(19)  # bytes between envelope and payload are not zero
PAYLOAD_HASH           = const(20)
UNKNOWN_SIGNER         = const(21)
MANUFACTURER_SIGNATURE = const(22)
SUPPLIER_SIGNATURE     = const(23)
SUPPLIER_MISSING       = const(24)  # this device type needs a supplier signature
TRAILER                = const(25)  # the signature's length byte is not 0x40
HIGH_S_SIGNATURE       = const(26)  # the envelope's s is above n / 2: not the canonical one

# activation
NO_IMAGE_HELD          = const(32)
HASH_MISMATCH          = const(33)
NO_LONGER_ALLOWED      = const(34)

# trial
TRIAL_CRASHED          = const(40)  # the application ended or raised before it confirmed
TRIAL_HUNG             = const(41)  # the watchdog had to reset it
TRIAL_UNCONFIRMED      = const(42)  # it ran, and did not confirm in time
TRIAL_NOT_STARTED      = const(43)  # three starts, none of which left word of how it ended

# boot
SLOT_DAMAGED           = const(48)  # an installed image no longer verifies

# the device cannot take an image now
NOT_PROVISIONED        = const(56)
TRIAL_RUNNING          = const(57)  # both slots are needed until the trial ends
FLASH_FAULT            = const(58)  # a program or erase did not take
VERIFIER_FAULT         = const(59)  # the arithmetic failed its known answers, or had no memory
ANCHORS_LOCKED         = const(60)  # trust anchors are written once
ANCHOR_MALFORMED       = const(61)
ANCHOR_SIGNATURE       = const(62)  # an update is not signed by an anchor that is held
ANCHOR_SEQUENCE        = const(63)  # its sequence leaves no room for a successor

# a GBCS message
MESSAGE_FORMAT         = const(64)  # not a GBCS message, or bytes before or after it
MESSAGE_USE_CASE       = const(65)  # of a use case that is not served here
MESSAGE_PAYLOAD        = const(66)  # the payload is not what its use case has
MESSAGE_PROTECTION     = const(67)  # not signed or not MACed as its use case demands
MESSAGE_RECIPIENT      = const(68)  # for another device
MESSAGE_ORIGINATOR     = const(69)  # from a party that may not send it
MESSAGE_COUNTER        = const(70)  # not above the last counter of its originator
MESSAGE_SIGNATURE      = const(71)
MESSAGE_MAC            = const(72)
PEER_KEY               = const(73)  # a peer's public key is not a point of the curve
BROKER_MISSING         = const(74)  # no key of the broker is held, so no MAC can be checked
TIME_UNKNOWN           = const(75)  # an activation at a date, and the network's time is not known
TIME_PAST              = const(76)  # its date is past
CLOCK_LEAPT            = const(77)  # the clock was set past its date, and did not run there

# the device's own keys
KEYS_LOCKED            = const(78)  # they are made or written once
NO_ENTROPY             = const(79)  # the chip's random numbers repeat

# the CPL, where a board demands it of an image that comes by cable
CPL_ENTRY_MISSING      = const(80)  # none was given for this image
CPL_ENTRY              = const(81)  # malformed, not signed by the board's key, for another model
# fmt: on


class Refused(Exception):
    # offset: byte of the file, envelope or cell where the reason was found; -1 where none applies
    def __init__(self, reason: int, offset: int = -1) -> None:
        super().__init__(reason, offset)
        self.reason = reason
        self.offset = offset
