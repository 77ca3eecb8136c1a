# Signatures are checked once and remembered, so that a campaign of some hundred thousand starts is
# done in minutes. The first time, each is really verified: nothing is taken on trust, but for the
# images of small_releases.py, whose signatures are made up.
#
# `forget` puts the device's own code back.

from hanbootloader.trust import anchors, p256

_ROWS = 4

_verify_steps, _table_steps = p256.verify_steps, p256.table_steps
_table_rows = anchors.TABLE_ROWS
_known = {}
_tables = {}


def _remembered_steps(key, digest, signature, table=None):
    question = (bytes(key), bytes(digest), bytes(signature))
    if question not in _known:
        _known[question] = yield from _verify_steps(key, digest, signature, table)
    return _known[question]


# The comb table of a key, computed once; a short one, so that a cell is done in few operations.
def _remembered_table_steps(key, rows):
    question = (bytes(key), rows)
    if question not in _tables:
        _tables[question] = yield from _table_steps(key, rows)
    return _tables[question]


def remember():
    p256.verify_steps = _remembered_steps
    p256.table_steps = _remembered_table_steps
    anchors.TABLE_ROWS = _ROWS


def forget():
    p256.verify_steps = _verify_steps
    p256.table_steps = _table_steps
    anchors.TABLE_ROWS = _table_rows


# From now on `signature` of `key` over `digest` counts as good.
def make_up(key, digest, signature):
    _known[(key, digest, signature)] = True
