# The Firmware Distribution Receipt Alert (GBCS 11.2.6): a device whose images carry a supplier's
# signature tells the supplier that one was received, and whether the signature was right.

from hanbootloader.han import outcomes
from hanbootloader.han.gbcs.use_cases import SUCCESS
from hanbootloader.han.outcomes import OutcomeRecord
from hanbootloader.reasons import SUPPLIER_MISSING, SUPPLIER_SIGNATURE
from hanbootloader.store import ledger
from hanbootloader.trust.cell import DIGITAL_SIGNATURE, SUPPLIER

if __debug__:  # in annotations alone
    from hanbootloader.device import Device
    from hanbootloader.han.identity import NetworkIdentity
    from hanbootloader.han.network_time import NetworkTime
    from hanbootloader.han.ota_client import OtaClient
    from hanbootloader.store.han_records import HanRecords

_BAD = 1  # not SUCCESS
_FAILURES = (SUPPLIER_SIGNATURE, SUPPLIER_MISSING)


class Receipts:
    def __init__(
        self,
        device: "Device",
        records: "HanRecords",
        identity: "NetworkIdentity",
        time: "NetworkTime",
    ) -> None:
        self._device = device
        self._records = records
        self._identity = identity
        self._time = time
        self._seen = -1  # what the client had received when it was looked at last

    # Alerts the supplier where the client has just received an image. True if it did.
    def poll(self, now_ms: int, client: "OtaClient") -> bool:
        if client.received == self._seen:
            return False
        is_first = self._seen < 0
        self._seen = client.received
        supplier = self._device.anchors.cell(SUPPLIER, DIGITAL_SIGNATURE)
        if is_first or supplier is None or not client.is_external:
            return False
        image_hash, code = self._result()
        if image_hash is None:
            return False
        seconds = self._time.seconds(now_ms)
        counter = self._identity.next_counter(seconds)
        alert = OutcomeRecord(
            outcomes.RECEIPT, code, counter, supplier.entity, seconds or 0, 0, 0, image_hash
        )
        self._records.add_outcome(alert.pack())
        return True

    # (Manufacturer Image Hash, code) of what was received; None where nothing is to be said.
    def _result(self) -> "tuple[bytes | None, int]":
        store = self._device.ledger
        held = store.held()
        if held >= 0 and store.slots[held].state == ledger.STAGED:
            return store.slots[held].image_hash, SUCCESS
        verdict = store.verdict()
        if verdict is not None and verdict.reason in _FAILURES:
            return verdict.offered_hash, _BAD
        return None, _BAD
