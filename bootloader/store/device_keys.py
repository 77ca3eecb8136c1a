# The device's own key pairs: one for digital signatures, one for key agreement. No command of the
# link reads this region; only the public halves leave the device.

from hanbootloader.compat import const
from hanbootloader.reasons import FLASH_FAULT, Refused
from hanbootloader.store.doubts import KEYS
from hanbootloader.store.journal import Journal

if __debug__:  # in annotations alone
    from hanbootloader.store.doubts import Doubts
    from hanbootloader.store.flash import Region

# bits of the key usage of RFC 5280 4.2.1.3; also the keys of the journal here
DIGITAL_SIGNATURE = const(0)
KEY_AGREEMENT = const(4)

_PRIVATE_BYTES = const(32)
_PUBLIC_BYTES = const(64)


class DeviceKeys:
    def __init__(self, region: "Region", doubts: "Doubts") -> None:
        self._journal = Journal(region, lambda is_failed: doubts.weigh(KEYS, is_failed))

    # x || y; None where there is no key for `usage`.
    def public(self, usage: int) -> "bytes | None":
        pair = self._journal.latest(usage)
        return bytes(pair[_PRIVATE_BYTES:]) if pair else None

    # 32 bytes, big-endian: for what signs and agrees, and for nothing that answers a request.
    def private(self, usage: int) -> "bytes | None":
        pair = self._journal.latest(usage)
        return bytes(pair[:_PRIVATE_BYTES]) if pair else None

    # Keeps a pair in place of the one there was. Their arithmetic is the caller's to check.
    def keep(self, usage: int, private: bytes, public: bytes) -> None:
        self.keep_all([(usage, private, public)])

    # The same for several (usage, private, public): all of them, or none where power fails.
    def keep_all(self, pairs: "list[tuple[int, bytes, bytes]]") -> None:
        for _, private, public in pairs:
            if len(private) != _PRIVATE_BYTES or len(public) != _PUBLIC_BYTES:
                raise Refused(FLASH_FAULT)
        self._journal.append([(usage, private + public) for usage, private, public in pairs])
