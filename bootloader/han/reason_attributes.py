# Beyond the OTA cluster: two manufacturer-specific attributes with which a hub learns why an image
# was refused. The cluster itself knows INVALID_IMAGE and no more.
#
#   0xF000  reason (uint16)                     of the last verdict (bootloader/reasons.py)
#   0xF001  version accepted (uint32)           the first that it names; FFFFFFFF: none

from hanbootloader.compat import const
from hanbootloader.han import zcl
from hanbootloader.han.ota_cluster import ANY_VERSION

if __debug__:  # in annotations alone
    from hanbootloader.device import Device

# fmt: off
LAST_REASON     = const(0xF000)
ACCEPTS_VERSION = const(0xF001)
# fmt: on


class Reasons:
    def __init__(self, device: "Device") -> None:
        self._device = device

    # Records for a Read Attributes Response, as in ota_attributes.py.
    def read(self, wanted: "list[int]") -> "list[tuple[int, int | None, object]]":
        verdict = self._device.ledger.verdict()
        reason, accepts = 0, ANY_VERSION
        if verdict is not None:
            reason = verdict.reason
            if verdict.accepts:
                accepts = verdict.accepts[0][0]
        records: "list[tuple[int, int | None, object]]" = []
        for attribute in wanted:
            if attribute == LAST_REASON:
                records.append((attribute, zcl.UINT16, reason))
            elif attribute == ACCEPTS_VERSION:
                records.append((attribute, zcl.UINT32, accepts))
            else:
                records.append((attribute, None, None))
        return records
