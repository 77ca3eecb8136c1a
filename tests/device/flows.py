# What most tests of a whole device begin with, or repeat.

import cells
import images
from cells import finish
from ramboard import Board

from hanbootloader import boot
from hanbootloader.install import Installer
from hanbootloader.store import ledger


# A board with its trust anchors, and what is installed in turn on it.
def board_with(*releases, **board):
    board = Board(**board)
    cells.provision(board.device())
    for name in releases:
        install(board, name)
    return board


# Upload, verification and activation of a release that must be taken.
def activate(board, name):
    installer = Installer(start(board)[0])
    send(installer, images.ota_image(name))
    verify(installer)
    installer.activate(images.image_hash(name))


# The same, then its start and confirmation.
def install(board, name):
    activate(board, name)
    device, chosen = start(board)
    device.ledger.confirm(chosen[0])


# Offers a whole file in pieces; announced: how long the sender says that it is.
def send(installer, octets, piece_bytes=512, announced=None, sha=None):
    view = memoryview(octets)
    offset = installer.begin(len(octets) if announced is None else announced, sha)
    while offset < len(view):
        offset = write(installer, offset, view[offset : offset + piece_bytes])
    return offset


# One piece, and whatever has to be verified before it is answered.
def write(installer, offset, octets):
    return finish(installer.write_steps(offset, octets))


# All that waits for the link to be quiet.
def verify(installer):
    while installer.step():
        pass


# A reset, up to the choice of what starts: (device, chosen). Where something is in doubt the device
# restarts once more.
def start(board):
    device = board.device()
    chosen = boot.choose(device)
    while device.doubts.needs_restart:
        device = board.device()
        chosen = boot.choose(device)
    if chosen is not None:
        device.started = chosen[0]
    return device, chosen


# (file version, state) of both slots
def slots(device):
    return [(slot.file_version, slot.state) for slot in device.ledger.slots]


# (file version, Manufacturer Image Hash) of what is confirmed
def confirmed(device):
    index = device.ledger.find(ledger.CONFIRMED)
    slot = device.ledger.slots[index]
    return None if index < 0 else (slot.file_version, slot.image_hash)
