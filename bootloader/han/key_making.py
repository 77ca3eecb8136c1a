# The device's two keys are made on it, once, before its trust anchors lock it; or written once, by
# a maker whose chips have no generator worth the name.
#
# A key is a hash of the chip's random numbers and of numbers that the host gives, so that either
# alone is enough. An emulated chip's may repeat: what repeats makes no key.

import hashlib
import os

from hanbootloader.compat import const
from hanbootloader.han.certificate_request import request_steps
from hanbootloader.reasons import KEYS_LOCKED, NO_ENTROPY, Refused
from hanbootloader.store.device_keys import DIGITAL_SIGNATURE, KEY_AGREEMENT
from hanbootloader.trust import private_key

if __debug__:  # in annotations alone
    from hanbootloader.device import Device
    from hanbootloader.store.device_keys import DeviceKeys

# fmt: off
ENTROPY_BYTES = const(32)   # that the host gives, at least
_CHIP_BYTES   = const(64)   # of the chip, for each key
_REPEATS_MOST = const(5)    # equal bytes in a row: NIST SP 800-90B 4.4.1 for 8 bits, 2^-32
# fmt: on

USAGES = (DIGITAL_SIGNATURE, KEY_AGREEMENT)


# Random bytes of the chip, or Refused(NO_ENTROPY): the same twice, or one value too often in a row.
def chip_entropy(urandom=os.urandom) -> bytes:  # type: ignore[no-untyped-def]
    first, second = urandom(_CHIP_BYTES), urandom(_CHIP_BYTES)
    if first == second:
        raise Refused(NO_ENTROPY)
    run = 1
    for at in range(1, _CHIP_BYTES):
        run = run + 1 if second[at] == second[at - 1] else 1
        if run >= _REPEATS_MOST:
            raise Refused(NO_ENTROPY)
    return first + second  # type: ignore[no-any-return]


# Refused where keys are there, or the device is locked.
def _check_open(device: "Device", keys: "DeviceKeys") -> None:
    if device.anchors.is_provisioned or device.anchors.is_locked:
        raise Refused(KEYS_LOCKED)
    # one alone is what power left of two that an earlier version kept one by one
    if all([keys.public(usage) is not None for usage in USAGES]):
        raise Refused(KEYS_LOCKED)


# Makes both keys. entropy: the host's, ENTROPY_BYTES at least. Generator.
def make_steps(device: "Device", keys: "DeviceKeys", entropy: bytes):  # type: ignore[no-untyped-def]
    _check_open(device, keys)
    privates = []
    for usage in USAGES:
        seed = hashlib.sha256(b"hanboot device key")
        for part in (bytes((usage,)), bytes(device.board.serial), chip_entropy(), entropy):
            seed.update(part)
        private = seed.digest()
        # one in 2^32 is no key: the next hash is
        while not private_key.is_private_key(private):
            private = hashlib.sha256(private).digest()
        privates.append(private)
    yield from _keep_steps(keys, privates)


# Keeps two keys that were made elsewhere: digital signature, key agreement. Generator.
def write_steps(device: "Device", keys: "DeviceKeys", privates: "list[bytes]"):  # type: ignore[no-untyped-def]
    _check_open(device, keys)
    for private in privates:
        if not private_key.is_private_key(private):
            raise Refused(NO_ENTROPY)
    yield from _keep_steps(keys, privates)


# Both in one record: a device that lost power between them would have one key for good.
def _keep_steps(keys: "DeviceKeys", privates: "list[bytes]"):  # type: ignore[no-untyped-def]
    pairs = []
    for usage, private in zip(USAGES, privates):
        public = yield from private_key.public_key_steps(private)
        pairs.append((usage, private, public))
    keys.keep_all(pairs)


# The certificate request (PKCS #10) for the key of `usage`; b"" where there is none. Generator.
def certificate_request_steps(device: "Device", keys: "DeviceKeys", usage: int):  # type: ignore[no-untyped-def]
    private, public = keys.private(usage), keys.public(usage)
    if private is None or public is None:
        return b""
    return (yield from request_steps(private, public, bytes(device.board.serial)))
