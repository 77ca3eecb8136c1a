# Trust anchors of a device in memory, as their tests use them.

import unittest

import cells
import images
from outcome import refusal_of
from ramboard import RamFlash

SECTORS = 16


# What is held: role -> (kid, sequence)
def held_by(held):
    return {cell.role: (cell.kid, cell.sequence) for cell in held.cells()}


class AnchorsTest(unittest.TestCase):
    def setUp(self):
        self.flash = RamFlash(SECTORS)
        self.held = self.opened()

    def opened(self, sectors=SECTORS):
        return cells.opened(self.flash.region(0, sectors))

    def put(self, name, signature=None, **more):
        return cells.put_into(self.held, cells.head(name, **more), signature)

    def refusal(self, name, signature=None, **more):
        return refusal_of(cells.put_into, self.held, cells.head(name, **more), signature)

    def provision(self):
        self.put("supplier")
        self.put("manufacturer")

    def check_holds(self, *names):
        expected = {
            cells.ROLES[name]: (images.kid(name), cells.SEQUENCES.get(name, 1)) for name in names
        }
        self.assertEqual(held_by(self.held), expected)
        self.assertEqual(held_by(self.opened()), expected)
