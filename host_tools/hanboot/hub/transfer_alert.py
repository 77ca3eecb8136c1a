"""CCS08, the Firmware Transfer Alert (GBCS 11.7): the hub tells the broker how a transfer ended."""

from __future__ import annotations

from hanboot.hub.ota import TransferEnd
from hanboot.trust.keys import PrivateKey
from hanbootloader.han.gbcs import clock
from hanbootloader.han.gbcs.message import ALERT, Message
from hanbootloader.han.gbcs.use_cases import CCS08_ALERT, TRANSFERRED


def make(
    hub: bytes,
    broker: bytes,
    counter: int,
    seconds: int,
    target: bytes,
    version: int,
    how: TransferEnd,
    key: PrivateKey | None,
) -> bytes:
    """The alert, signed by the hub's digital signature key; without one its signature is empty.

    Args:
        hub, broker, target: EUI-64s, 8 octets; target is the device that the image was for.
        counter: of the hub, above the one before.
        seconds: when, since 2000-01-01 UTC.
        version: file version of the image; 0 where the hub held none.
    """
    payload = CCS08_ALERT.encode(
        {
            "alert_code": TRANSFERRED,
            "time": clock.time_of(seconds),
            "target": target,
            "version": version,
            "response_code": int(how),
        }
    )
    alert = Message(ALERT, CCS08_ALERT.code, counter, hub, broker, payload, signature=b"")
    if key is not None:
        alert.signature = key.sign(alert.signed_octets())
    return alert.encode()
