# Releases that may follow one another without end, for long runs: every one but the first can be
# reached again. Their signatures are made up, as those of small_releases.py.

import small_releases
from images import V1_0, V1_1, V1_2, V2_0, Release
from rules import Rules

PREFIX = "ring "

_FOLLOWS = {
    "first": (None,),
    "a": ("first", "b", "c"),
    "b": ("a",),
    "c": ("a", "b"),
}
_VERSIONS = {"first": V1_0, "a": V1_1, "b": V1_2, "c": V2_0}
_PAYLOAD_BYTES = {"first": 16, "a": 3000, "b": 16, "c": 1500}

# which may be wanted over a device that runs any
GOALS = ("a", "b", "c")


def _release(name):
    follows = [(_VERSIONS[other], None, None) for other in _FOLLOWS[name] if other is not None]
    return Release(
        _VERSIONS[name], tuple(follows), _PAYLOAD_BYTES[name], security_counter=1, label=name
    )


RELEASES = {name: _release(name) for name in _FOLLOWS}


def add():
    small_releases.make_known(PREFIX, RELEASES)


def remove():
    small_releases.forget(PREFIX, RELEASES)


def rules():
    return Rules(_FOLLOWS, {name: 1 for name in _FOLLOWS}, prefix=PREFIX)


# What a device that runs `name` must refuse; None is in the list of no release but the first.
def refused_over(name):
    return sorted([other for other in _FOLLOWS if name not in _FOLLOWS[other] and other != name])
