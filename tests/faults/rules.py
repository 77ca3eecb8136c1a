# What the rules of upgrade allow, written down a second time, as a table: a wrong rule of the
# device is not checked against itself.

import images


class Violation(Exception):
    pass


def must(holds, what):
    if not holds:
        raise Violation(what)


_made = {}


# What images.py makes of a release, made once.
def of_release(make, name):
    key = (make, name)
    if key not in _made:
        _made[key] = make(name)
    return _made[key]


class Rules:
    # follows: which releases each one may follow; None: a device without any
    # counters: the security counter of each. no_return: releases behind which nothing older starts
    # prefix: of their names in images.py. by_successor: those that the successor of the
    # manufacturer's key signed; the others are signed by the key before
    def __init__(self, follows, counters, no_return=(), prefix="", by_successor=()):
        self.follows = follows
        self.counters = counters
        self.no_return = no_return
        self.by_successor = by_successor
        self._prefix = prefix
        self.names = {self.image_hash(name): name for name in follows}

    def image_hash(self, name):
        return of_release(images.image_hash, self._prefix + name)

    def manufacturer_image(self, name):
        return of_release(images.manufacturer_image, self._prefix + name)

    def ota_image(self, name):
        return of_release(images.ota_image, self._prefix + name)

    # The release to install next over `confirmed` on the way to `goal`.
    def next_step(self, confirmed, goal):
        if confirmed in self.follows[goal]:
            return goal
        for name in self.follows[goal]:
            if confirmed in self.follows.get(name, ()):
                return name
        must(False, "there is a way from %s to %s" % (confirmed, goal))


_FOLLOWS = {
    "1.0.0": (None,),
    "1.1.0": ("1.0.0",),
    "1.1.0 next": ("1.0.0",),
    "1.2.0": ("1.1.0",),
    "2.0.0": ("1.1.0",),
    "2.1.0": ("1.1.0", "2.0.0"),
}
_COUNTERS = {"1.0.0": 1, "1.1.0": 1, "1.1.0 next": 1, "1.2.0": 1, "2.0.0": 2, "2.1.0": 2}
_NO_RETURN = ("2.1.0",)
_BY_SUCCESSOR = ("1.1.0 next",)

_rules = {}


# For the releases of images.py, or those of small_releases.py.
def of(prefix):
    if prefix not in _rules:
        _rules[prefix] = Rules(_FOLLOWS, _COUNTERS, _NO_RETURN, prefix, _BY_SUCCESSOR)
    return _rules[prefix]
