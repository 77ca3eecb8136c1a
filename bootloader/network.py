# A device's side of its Home Area Network: the stores of its own, its node, its commands on the
# link. boot.py attaches it to the device of a board that has a network; another board imports, and
# freezes, nothing of what is imported here.

from hanbootloader import device
from hanbootloader.han.identity import sign_steps
from hanbootloader.han.node import Node
from hanbootloader.han.stores import Stores
from hanbootloader.link.groups import network, tunnel
from hanbootloader.link.smp import HANBOOT_GROUP

if __debug__:  # in annotations alone
    from hanbootloader.install import Installer


class HomeNetwork(device.Network):
    def __init__(self, device: device.Device) -> None:
        self._device = device
        self.stores = Stores(device)

    # On the board's radio, or where there is none, on frames in SMP group 66.
    def join(self, installer: "Installer", groups):  # type: ignore[no-untyped-def]
        device = self._device
        radio = device.board.han
        tunnelled = tunnel.TunnelRadio(device.board.serial)
        node = Node(device, self.stores, installer, radio or tunnelled)
        commands = network.NetworkCommands(device, self.stores.keys, node).commands()
        groups[HANBOOT_GROUP].update(commands)
        if radio is None:
            groups[tunnel.GROUP] = tunnel.TunnelGroup(tunnelled, lambda: node.is_quiet).commands()
        return node

    def sign_steps(self, digest: bytes):  # type: ignore[no-untyped-def]
        return sign_steps(self.stores.keys, digest)
