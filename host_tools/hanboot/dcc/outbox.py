"""Documents for parties: signed, and written down; `dispatch` delivers them."""

from __future__ import annotations

import logging

from sqlalchemy.engine import Connection

from hanboot.dcc import journal
from hanboot.dcc.parties import find_party
from hanboot.dcc.service import Clock, Service
from hanboot.duis import codes, responses
from hanboot.duis.building import Part
from hanboot.duis.identifiers import RequestID
from hanboot.duis.parsing import Element
from hanboot.trust.smki.certificate import eui_text, parse_eui

_log = logging.getLogger(__name__)


class Outbox:
    """Takes documents inside its caller's transactions.

    Args:
        service: signs them.
        broker: EUI-64 of the Access Control Broker, in whose name alerts go out.
        clock: the time, UTC.
    """

    def __init__(self, service: Service, broker: bytes, clock: Clock) -> None:
        self._service = service
        self._broker = broker
        self._clock = clock

    def send(self, connection: Connection, party: str, root: Element) -> None:
        """A response or an alert without a signature, which it gets here."""
        if find_party(connection, party) is None:
            _log.warning("a document for %s, which is no party, was dropped", party)
            return
        journal.add_outgoing(connection, party, self._service.sign(root), self._clock())

    def alert(
        self,
        connection: Connection,
        party: str,
        alert: Part,
        code: str = codes.ANY_ALERT,
        counter: int | None = None,
    ) -> None:
        """An alert of the DCC.

        Args:
            code: DCCAlertCode.
            counter: of the message that it comes from; None takes the broker's next.
        """
        if counter is None:
            broker = eui_text(self._broker)
            counter = journal.next_counter(connection, broker, self._clock())
            journal.raise_counter(connection, broker, counter)
        response_id = RequestID(self._broker, parse_eui(party), counter)
        root = responses.dcc_alert(response_id, code, alert, self._clock())
        self.send(connection, party, root)
