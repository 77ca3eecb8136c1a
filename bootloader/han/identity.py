# Who this device is to remote parties: its EUI-64, its two keys, and a counter for its messages.
#
# The keys never leave: what wants something signed or MACed comes here. Anyone who can read the
# flash has them (docs: security).

import hashlib

from hanbootloader.han.gbcs import mac
from hanbootloader.store.device_keys import DIGITAL_SIGNATURE, KEY_AGREEMENT
from hanbootloader.trust import private_key

if __debug__:  # in annotations alone
    from hanbootloader.device import Device
    from hanbootloader.han.gbcs.message import Message
    from hanbootloader.han.stores import Stores
    from hanbootloader.store.device_keys import DeviceKeys

_MS = 1000
_ZIGBEE_EPOCH = 946_684_800  # 2000-01-01 in Unix time


# r || s over `digest` by the device's key for signatures; None where it has none. Generator.
def sign_steps(keys: "DeviceKeys", digest: bytes):  # type: ignore[no-untyped-def]
    private, public = keys.private(DIGITAL_SIGNATURE), keys.public(DIGITAL_SIGNATURE)
    if private is None or public is None:
        return None
    return (yield from private_key.sign_steps(private, public, digest))


class NetworkIdentity:
    def __init__(self, device: "Device", stores: "Stores") -> None:
        self.eui64 = bytes(device.board.serial)
        self._keys = stores.keys
        self._records = stores.records
        self._secret: "tuple[bytes, bytes] | None" = None  # (peer's key, Z)

    def has_key(self, usage: int) -> bool:
        return self._keys.public(usage) is not None

    # A counter for a message of this device's own: milliseconds since 1970 where the time is known,
    # and above every one before in any case.
    def next_counter(self, seconds: "int | None") -> int:
        counter = self._records.originator_counter(self.eui64) + 1
        if seconds is not None:
            counter = max(counter, (seconds + _ZIGBEE_EPOCH) * _MS)
        self._records.raise_originator_counter(self.eui64, counter)
        return counter

    # Signs `message`; without a key its signature block is empty. Generator.
    def sign_steps(self, message: "Message"):  # type: ignore[no-untyped-def]
        digest = hashlib.sha256(message.signed_octets()).digest()
        message.signature = (yield from sign_steps(self._keys, digest)) or b""

    # The secret shared with the holder of `peer`; None without a key agreement key. Generator; the
    # last one is remembered, as it takes seconds.
    def secret_steps(self, peer: bytes):  # type: ignore[no-untyped-def]
        if self._secret is not None and self._secret[0] == peer:
            return self._secret[1]
        private = self._keys.private(KEY_AGREEMENT)
        if private is None:
            return None
        secret = yield from private_key.agree_steps(private, peer)
        self._secret = (peer, secret)
        return secret

    # Adds the MAC that the holder of `peer` can check.
    def mac_steps(self, message: "Message", peer: bytes):  # type: ignore[no-untyped-def]
        secret = yield from self.secret_steps(peer)
        message.signature = b""
        message.mac = mac.make(secret, message)
