"""Who may do what in the library: one table, which views, API, documents and tests read.

A party has one kind, and its users have the party's permissions. Three answers are possible: any
entry (or any party), only what the own party submitted or is responsible for, or none.
"""

from __future__ import annotations

import enum
from types import MappingProxyType


class PartyKind(enum.StrEnum):
    """What a party of the Smart Energy Code is to the library."""

    MANUFACTURER = "manufacturer"
    SUPPLIER = "supplier"
    METER_ASSET_PROVIDER = "meter asset provider"
    DCC = "dcc"
    SSC = "ssc"
    ADMINISTRATOR = "administrator"


class Action(enum.StrEnum):
    """What can be done; the text is what documents and refusals call it."""

    READ = "read listed entries"
    READ_UNLISTED = "read entries that are not listed yet"
    READ_ZIGBEE = "read ZigBee chipset vendor and stack"
    READ_VULNERABILITIES = "read vulnerability notes"
    PLAN = "plan an upgrade"
    DOWNLOAD = "download images"
    SUBMIT = "submit an entry"
    CORRECT = "propose a correction"
    AUTHORISE = "authorise a submission"
    ENDORSE = "endorse a Communications Hub entry"
    REVIEW = "review and list"
    SET_STATUS = "change the CPL status"
    ADD_FIELD = "add a field"
    QUERY_ZIGBEE = "ask which devices hold a ZigBee stack"
    MANAGE_PARTIES = "manage parties and invitations"
    MANAGE_OWN_USERS = "invite users of the own party"
    READ_AUDIT = "read the audit log"
    READ_METRICS = "read metrics"


class Scope(enum.Enum):
    """On what an action is allowed."""

    NONE = "no"
    OWN = "own"
    ANY = "yes"


_NO, _OWN, _ANY = Scope.NONE, Scope.OWN, Scope.ANY

# fmt: off
# in the order of PartyKind:        manufact. supplier MAP   DCC   SSC   admin
_TABLE = {
    Action.READ:                   (_ANY,     _ANY,    _ANY, _ANY, _ANY, _ANY),
    Action.READ_UNLISTED:          (_OWN,     _OWN,    _NO,  _ANY, _ANY, _ANY),
    # MP231: chipset and stack are for the Security Sub-Committee; who submitted them knows them
    Action.READ_ZIGBEE:            (_OWN,     _NO,     _NO,  _NO,  _ANY, _NO),
    Action.READ_VULNERABILITIES:   (_OWN,     _ANY,    _NO,  _ANY, _ANY, _NO),
    Action.PLAN:                   (_ANY,     _ANY,    _ANY, _ANY, _ANY, _ANY),
    # commercially released images are not offered for download, see catalogue.downloads
    Action.DOWNLOAD:               (_OWN,     _ANY,    _NO,  _ANY, _ANY, _ANY),
    Action.SUBMIT:                 (_ANY,     _ANY,    _NO,  _NO,  _NO,  _NO),
    Action.CORRECT:                (_OWN,     _OWN,    _NO,  _NO,  _NO,  _ANY),
    Action.AUTHORISE:              (_NO,      _ANY,    _NO,  _NO,  _NO,  _NO),
    Action.ENDORSE:                (_NO,      _NO,     _NO,  _ANY, _NO,  _NO),
    Action.REVIEW:                 (_NO,      _NO,     _NO,  _NO,  _NO,  _ANY),
    Action.SET_STATUS:             (_NO,      _NO,     _NO,  _NO,  _NO,  _ANY),
    Action.ADD_FIELD:              (_NO,      _NO,     _NO,  _NO,  _NO,  _ANY),
    Action.QUERY_ZIGBEE:           (_NO,      _NO,     _NO,  _NO,  _ANY, _NO),
    Action.MANAGE_PARTIES:         (_NO,      _NO,     _NO,  _NO,  _NO,  _ANY),
    Action.MANAGE_OWN_USERS:       (_ANY,     _ANY,    _ANY, _ANY, _ANY, _ANY),
    Action.READ_AUDIT:             (_NO,      _NO,     _NO,  _NO,  _NO,  _ANY),
    Action.READ_METRICS:           (_NO,      _NO,     _NO,  _NO,  _NO,  _ANY),
}
# fmt: on

#: The table: PERMISSIONS[action][kind of party].
PERMISSIONS = MappingProxyType(
    {
        action: MappingProxyType(dict(zip(PartyKind, scopes, strict=True)))
        for action, scopes in _TABLE.items()
    }
)


def allows(kind: PartyKind, action: Action, *, own: bool = False) -> bool:
    """Whether a party of `kind` may do `action`.

    Args:
        own: whether what it is done to was submitted by the party, or is its responsibility.
    """
    scope = PERMISSIONS[action][kind]
    return scope is Scope.ANY or (scope is Scope.OWN and own)


def markdown() -> str:
    """The table as the documents show it."""
    lines = [
        f"| | {' | '.join(PartyKind)} |",
        f"|---|{'---|' * len(PartyKind)}",
    ]
    for action, row in PERMISSIONS.items():
        lines.append(f"| {action} | {' | '.join(row[kind].value for kind in PartyKind)} |")
    return "\n".join(lines)
