# The attributes of the OTA client (ZigBee 095264r23 6.7), as a hub reads them.

from hanbootloader.han import ota_cluster as ota
from hanbootloader.han import zcl

if __debug__:  # in annotations alone
    from hanbootloader.han.ota_client import OtaClient
    from hanbootloader.han.ota_store import ImageStore

_UNKNOWN_16 = 0xFFFF
_UNKNOWN_32 = 0xFFFFFFFF
_NO_SERVER = b"\xff" * 8
_ZIGBEE_PRO = 0x0002


# Records for a Read Attributes Response: (attribute, type, value), with type None for one that
# there is not.
def read(
    wanted: "list[int]", client: "OtaClient", store: "ImageStore", server: "bytes | None"
) -> "list[tuple[int, int | None, object]]":
    # what a client has none of reads as all ones
    position, image_type = _UNKNOWN_32, _UNKNOWN_16
    version, stack = _UNKNOWN_32, _UNKNOWN_16
    if client.status != ota.NORMAL:
        position, image_type = client.position, store.image_type
        if client.status != ota.DOWNLOADING:
            version, stack = client.version, _ZIGBEE_PRO
    # fmt: off
    values = {
        ota.UPGRADE_SERVER_ID:        (zcl.EUI64,  server or _NO_SERVER),
        ota.FILE_OFFSET:              (zcl.UINT32, position),
        ota.CURRENT_FILE_VERSION:     (zcl.UINT32, store.running_version() or _UNKNOWN_32),
        ota.CURRENT_STACK_VERSION:    (zcl.UINT16, _ZIGBEE_PRO),
        ota.DOWNLOADED_FILE_VERSION:  (zcl.UINT32, version),
        ota.DOWNLOADED_STACK_VERSION: (zcl.UINT16, stack),
        ota.IMAGE_UPGRADE_STATUS:     (zcl.ENUM8,  client.status),
        ota.MANUFACTURER_ID:          (zcl.UINT16, store.manufacturer_code),
        ota.IMAGE_TYPE_ID:            (zcl.UINT16, image_type),
        ota.MINIMUM_BLOCK_PERIOD:     (zcl.UINT16, client.block_period_ms),
        # SE 1.2b: 1 and 1 where only a message activates
        ota.ACTIVATION_POLICY:        (zcl.ENUM8,  int(client.is_external)),
        ota.TIMEOUT_POLICY:           (zcl.ENUM8,  int(client.is_external)),
    }
    # fmt: on
    records: "list[tuple[int, int | None, object]]" = []
    for attribute in wanted:
        kind, value = values.get(attribute, (None, None))
        records.append((attribute, kind, value))
    return records
