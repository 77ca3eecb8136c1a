# Commands of SMP group 65 about the Home Area Network: state of the device there, and its keys.
#
#   7  read: state on the network
#   8  read: public keys; with "usage", a certificate request    write: make the keys, or write them
#
# A private key is read by no command. Keys are made or written once, before the device is locked.

from hanbootloader.link.smp import EINVAL, HANBOOT_GROUP, REASON_BASE, SmpError
from hanbootloader.reasons import Refused
from hanbootloader.trust.cell import ACCESS_CONTROL_BROKER, KEY_AGREEMENT

if __debug__:  # in annotations alone
    from hanbootloader.device import Device
    from hanbootloader.han.node import Node
    from hanbootloader.link.smp import Request
    from hanbootloader.store.device_keys import DeviceKeys


class NetworkCommands:
    def __init__(self, device: "Device", keys: "DeviceKeys", node: "Node") -> None:
        self._device = device
        self._keys = keys
        self._node = node

    def commands(self) -> "dict[int, tuple[object, object]]":
        return {7: (self._state, None), 8: (self._read_keys, self._make_keys)}

    def _state(self, request: "Request") -> "dict[str, object]":
        node, device = self._node, self._device
        client = node.client
        waiting = node.records.activation()
        broker = device.anchors.cell(ACCESS_CONTROL_BROKER, KEY_AGREEMENT)
        can_check = broker is not None and node.identity.has_key(KEY_AGREEMENT)
        return {
            "server": node.server,
            "status": client.status,
            "version": client.version,
            "received": client.position,
            "total": client.total_bytes,
            "time": node.seconds,
            "activation": None
            if waiting is None
            else {"hash": waiting.image_hash, "time": waiting.time, "counter": waiting.counter},
            "outcomes": len(node.records.outcomes()),
            # why the last message was refused; 0 where it was not
            "reason": node.mail.last_reason,
            # whether CS06's MAC can be checked
            "mac": "checked" if can_check else "not checked",
        }

    def _read_keys(self, request: "Request"):  # type: ignore[no-untyped-def]
        # only here: provisioning needs it, and hardly anything else
        from hanbootloader.han import key_making

        usage = request.uint("usage", 0xFF)
        keys = self._keys
        if usage in key_making.USAGES:
            steps = key_making.certificate_request_steps(self._device, keys, usage)
            return {"request": (yield from _guarded(steps))}  # type: ignore[no-untyped-call]
        return {
            "signature": keys.public(key_making.USAGES[0]),
            "agreement": keys.public(key_making.USAGES[1]),
        }

    def _make_keys(self, request: "Request"):  # type: ignore[no-untyped-def]
        from hanbootloader.han import key_making

        entropy, privates = request.byte_string("entropy"), request.fields.get("keys")
        if isinstance(privates, list):
            if len(privates) != 2 or not all([isinstance(one, memoryview) for one in privates]):
                raise SmpError(EINVAL)
            steps = key_making.write_steps(
                self._device, self._keys, [bytes(one) for one in privates]
            )
        elif entropy is not None and len(entropy) >= key_making.ENTROPY_BYTES:
            steps = key_making.make_steps(self._device, self._keys, bytes(entropy))
        else:
            raise SmpError(EINVAL)
        yield from _guarded(steps)  # type: ignore[no-untyped-call]
        return {}


# What the link reports of a refusal.
def _guarded(steps):  # type: ignore[no-untyped-def]
    try:
        return (yield from steps)
    except Refused as refused:
        raise SmpError(REASON_BASE + refused.reason, HANBOOT_GROUP)
