# What the HAN side keeps in flash. Opened once, before anything starts: what is in doubt there
# makes the device restart first.

from hanbootloader.store.device_keys import DeviceKeys
from hanbootloader.store.han_records import HanRecords, Transfer

if __debug__:  # in annotations alone
    from hanbootloader.device import Device


class Stores:
    def __init__(self, device: "Device") -> None:
        self.records = HanRecords(device.region("han"), device.doubts)
        self.transfer = Transfer(device.region("transfer"), device.doubts)
        self.keys = DeviceKeys(device.region("keys"), device.doubts)
