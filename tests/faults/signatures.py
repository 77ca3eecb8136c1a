# Signatures are checked once and remembered, so that a campaign of some hundred thousand starts is
# done in minutes. The first time, each is really verified: nothing is taken on trust, but for the
# images of tiny.py, whose signatures are made up.
#
# `forget` puts the device's own code back.

from hanbootloader.trust import p256

_verify_steps = p256.verify_steps
_known = {}


def _remembered_steps(key, digest, signature, table=None):
    question = (bytes(key), bytes(digest), bytes(signature))
    if question not in _known:
        _known[question] = yield from _verify_steps(key, digest, signature, table)
    return _known[question]


def remember():
    p256.verify_steps = _remembered_steps


def forget():
    p256.verify_steps = _verify_steps


# From now on `signature` of `key` over `digest` counts as good.
def make_up(key, digest, signature):
    _known[(key, digest, signature)] = True
