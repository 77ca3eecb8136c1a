"""Requests that are made from the OpenAPI document: each answer is one that it describes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from library_service import Filled, serving
from registries import entry_of, make_image
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

#: Requests in all.
EXAMPLES = 150
#: What would end the tokens that the others need; test_library_api.py asks these.
ENDING = ("disable_user", "recover_user", "revoke_token")
CHECKS = (
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    first = make_image(1, cpl_entry_id="E-1")
    folder: Path = tmp_path_factory.mktemp("generated") / "library"
    filled = Filled(folder, [entry_of(first, 1)])
    filled.listed(first, predecessors="N/A")
    with serving(filled) as running:
        yield running.url, {name: user.token for name, user in filled.users.items()}


def test_every_answer_is_described(service: tuple[str, dict[str, str]]) -> None:
    url, tokens = service
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    cases = [
        found.ok().as_strategy()
        for found in schema.get_all_operations()
        if found.ok().definition.raw["operationId"] not in ENDING
    ]
    asked = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=st.one_of(cases), name=st.sampled_from(("secas", "volt", "north", "ssc")))
    def ask(case: schemathesis.Case, name: str) -> None:
        asked.add(case.operation.label)
        headers = {"Authorization": f"Bearer {tokens[name]}"}
        response = case.call(headers=headers)
        case.validate_response(response, checks=CHECKS)

    ask()
    # one draw in some thirty goes to each
    assert len(asked) > len(cases) // 2
