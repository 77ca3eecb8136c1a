"""Every page: its links, and the files, commands, targets and tests that it names."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import click
from docs_pages import DOCS, TEXTS, blocks, each_page, section, tables, text_of
from samples import ROOT

from hanboot import cli, errors


def slug(heading: str) -> str:
    """As GitHub makes anchors of headings."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors_of(page: Path) -> set[str]:
    return {slug(line.lstrip("# ")) for line in re.findall(r"^#+ .*$", TEXTS[page], re.M)}


@each_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", TEXTS[page]):
        if target.startswith(("http:", "https:")):
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), target
        if anchor:
            assert anchor in anchors_of(there), target


@each_page
def test_every_page_is_reached_from_the_index(page):
    index = DOCS / "README.md"
    if page == index:
        assert "(docs/README.md)" in TEXTS[ROOT / "README.md"]
    elif page != ROOT / "README.md":
        assert f"({page.relative_to(DOCS)})" in TEXTS[index]


def inline_code(page: Path) -> list[str]:
    text = re.sub(r"(?s)^```.*?^```$", "", TEXTS[page], flags=re.M)
    return re.findall(r"`([^`\n]+)`", text)


@each_page
def test_named_paths_exist(page):
    made = (".venv", ".toolchain", "build")
    for code in inline_code(page):
        first = code.split("/")[0]
        # a path that begins with a slash is on a board
        is_path = bool(first) and "/" in code and " " not in code
        if is_path and (ROOT / first).is_dir() and first not in made:
            assert (ROOT / code).exists(), code


def commands_on(page: Path) -> list[str]:
    scripts = "\n".join(blocks(TEXTS[page], "sh")).replace("\\\n", " ")
    shell = re.findall(r"^hanboot .*$", scripts, re.M)
    return shell + [code for code in inline_code(page) if re.match(r"hanboot [a-z]", code)]


@each_page
def test_named_commands_exist(page):
    for line in commands_on(page):
        words = shlex.split(line, comments=True)[1:]
        command: click.Command = cli.main
        while isinstance(command, click.Group) and words:
            found = command.get_command(click.Context(command), words[0])
            assert found is not None, line
            command, words = found, words[1:]
        options = {
            name for param in command.params for name in (*param.opts, *param.secondary_opts)
        }
        for word in words:
            if word.startswith("-"):
                assert word.split("=")[0] in options, line


def _names_defined_in(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
    return found


def test_every_threat_has_a_test_that_exists():
    (threats,) = tables(section(text_of("security.md"), "Threats by PSA"))
    assert threats[0] == ["threat", "answer", "test"]
    assert threats[1][0].startswith("`T.SKIP_INTERMEDIATE`")
    assert len(threats) == 1 + 13
    scenarios = ROOT / "tests" / "faults" / "scenarios.py"
    for threat, answer, test in threats[1:]:
        if test == "none":
            assert answer.startswith("not promised"), threat
            continue
        # `name`, `name` in `path`
        cited = re.findall(r"((?:`\w+`(?:, )?)+) in `([^`]+)`", test)
        assert cited, threat
        for names, path in cited:
            assert Path(path).name.startswith("test_"), path
            missing = set(re.findall(r"`(\w+)`", names)) - _names_defined_in(ROOT / path)
            assert not missing, (threat, path, missing)
        for name in re.findall(r"`([^`]+)`", "".join(re.findall(r"scenarios? (.*)", test))):
            assert f'    "{name}": Scenario(' in scenarios.read_text(encoding="utf-8"), name
        # nothing is named in another way
        rest = re.sub(r"(?:`\w+`(?:, )?)+ in `[^`]+`|scenarios? .*", "", test)
        assert "`" not in rest, (threat, rest)


@each_page
def test_named_make_targets_exist(page):
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M)
    shell = re.findall(r"^make ([a-z0-9-]+)", "\n".join(blocks(TEXTS[page], "sh")), re.M)
    for code in inline_code(page):
        shell += re.findall(r"^make ([a-z0-9-]+)", code)
    assert set(shell) <= set(targets)


def test_the_readme_leads_with_two_commands():
    first = blocks(TEXTS[ROOT / "README.md"], "sh")[0].splitlines()
    assert [line.split("#")[0].strip() for line in first] == ["make demo", "make test"]


def test_the_readme_lists_the_exit_codes():
    (listed,) = [rows for rows in tables(TEXTS[ROOT / "README.md"]) if rows[0][0] == "exit code"]
    codes = {kind.exit_code for kind in errors.HanbootError.__subclasses__()}
    assert {int(row[0]) for row in listed[1:]} == codes | {0}
