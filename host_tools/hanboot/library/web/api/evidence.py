"""The audit log and figures, for those who may read them."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponseBase
from pydantic import Field

from hanboot.library import audit
from hanboot.library.permissions import Action
from hanboot.library.web import pages
from hanboot.library.web.api import schemas
from hanboot.library.web.api.operations import operation
from hanboot.library.web.views.administration import audit_csv
from hanboot.library.web.views.operation import metrics

_TAG = "evidence"


@operation("GET", "audit", Action.READ_AUDIT, answers=schemas.AuditPage, tag=_TAG)
def read_audit(
    request: HttpRequest,
    after: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Field(ge=1, le=1000)] = 200,
) -> schemas.AuditPage:
    """Rows of the audit log after a number, oldest first."""
    with pages.library().registry.database.reading() as connection:
        found = list(audit.records(connection, after=after, limit=limit))
    return schemas.AuditPage(
        records=[
            schemas.AuditRecord(
                number=each.number,
                at=each.at,
                user=each.actor.user,
                party=each.actor.party,
                action=each.action,
                subject=each.subject,
                detail=each.detail,
            )
            for each in found
        ],
        next=found[-1].number if len(found) == limit else None,
    )


@operation("GET", "audit/verify", Action.READ_AUDIT, answers=schemas.AuditVerified, tag=_TAG)
def verify_audit(request: HttpRequest) -> schemas.AuditVerified:
    """Computes the digest of every row again; refuses if one is not what was recorded."""
    with pages.library().registry.database.reading() as connection:
        rows = audit.verify(connection)
        return schemas.AuditVerified(rows=rows, digest=audit.last_digest(connection).hex())


def _text_answer(media_type: str) -> dict[str, object]:
    content = {media_type: {"schema": {"type": "string"}}}
    return {"responses": {200: {"description": "OK", "content": content}}}


@operation(
    "GET",
    "audit.csv",
    Action.READ_AUDIT,
    answers=None,
    tag=_TAG,
    extra=_text_answer("text/csv"),
)
def export_audit(request: HttpRequest) -> HttpResponseBase:
    """The whole audit log as CSV; the export is in it, too."""
    return audit_csv(request)


@operation(
    "GET",
    "metrics",
    Action.READ_METRICS,
    answers=None,
    tag=_TAG,
    extra=_text_answer("text/plain"),
)
def read_metrics(request: HttpRequest) -> HttpResponseBase:
    """Figures in Prometheus' text format 0.0.4."""
    return metrics(request)
