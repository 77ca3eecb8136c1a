"""That the mutants of the accept path and of the host's are found: `make faults` plays them."""

from __future__ import annotations

import ast

import host_mutants
import mutants
import pytest


@pytest.mark.parametrize("file", mutants.ACCEPT_PATH)
def test_checks_of_the_accept_path(file: str) -> None:
    source = (mutants.BOOTLOADER / file).read_text()
    found = mutants.mutants_of(file)
    assert found or " if " not in source
    for mutant in found:
        changed = mutant.apply(source)
        assert changed != source
        ast.parse(changed)


@pytest.mark.parametrize("file", host_mutants.FILES)
def test_checks_of_the_host(file: str) -> None:
    assert host_mutants.mutants_of(file)
