"""What commands write: hostile text, terminals of few characters, streams that take nothing."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hanboot import cli, demo, terminal
from hanboot.cli import output
from hanboot.cli.commands import COMMANDS, GROUPS, LINES
from hanboot.link.smp import Retries, SmpClient
from hanboot.link.transport import Transport
from hanbootloader.link import frame, smp

HOSTILE = {
    "escape": "\x1b[2J\x1b]0;title\x07",
    "C1": "\x9b2J\x85",
    "carriage return": "good\rbad",
    "bidirectional": "\u202eexe.gpj\u2066",
    "zero width": "a\u200bb\u200d",
    "separators": "a\u2028b\u2029",
    "surrogate": "a\ud800b",
    "byte order mark": "\ufeff",
    "delete": "a\x7f",
}


def is_clean(text: str) -> bool:
    return all(c == "\n" or c == "\t" or terminal.clean(c) == c for c in text)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_cleaned_at_the_output(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = output.Out(False)
    out.line(text)
    out.note(text)
    out.pairs([(text, text)], title=text)
    output.Out(True).document({text: [text, {"a": (text,)}]})
    shown = capsys.readouterr()
    assert is_clean(shown.out)
    assert is_clean(shown.err)
    document = json.loads(shown.out[shown.out.index("{") :])
    assert is_clean(str(document))


def test_every_command_writes_through_it() -> None:
    """One place cleans; what goes past it does not."""
    places = [Path(module.__file__).parent for module in (cli, demo)]
    for file in sorted(file for place in places for file in place.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "click.echo", "click.secho"), (file, node.lineno)
                assert not called.startswith(("sys.stdout.write", "sys.stderr.write")), file


def test_text_that_people_use_is_left_alone() -> None:
    for text in ("Müller & Söhne", "£10.00", "表示", "a\tb", "naïve…", "🔒"):
        assert terminal.clean(text) == text


def test_a_line_stays_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A device's text must not look like a line of ours."""
    output.Out(False).pairs([("board", "x\nprovisioned  yes")])
    assert capsys.readouterr().out.count("\n") == 1


def run(*arguments: str, stdout: int | None = None, **environment: str) -> tuple[int, bytes, bytes]:
    code = "from hanboot.cli import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        env=os.environ | environment,
        check=False,
    )
    return ran.returncode, ran.stdout or b"", ran.stderr


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key in a folder whose name few encodings take."""
    folder = tmp_path_factory.mktemp("Zähler-表示-£")
    assert run("keys", "new", str(folder / "key"))[0] == 0
    return folder / "key.pub.pem"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp850", "ascii", "utf-8"])
def test_an_encoding_never_changes_the_exit_code(key: Path, encoding: str) -> None:
    code, out, err = run(
        "keys", "new", str(key.parent / f"k-{encoding}"), PYTHONIOENCODING=encoding
    )
    assert code == 0, err
    assert b"key identifier" in out
    code, out, err = run(
        "keys", "new", str(key.parent / "key"), "--json", PYTHONIOENCODING=encoding
    )
    assert code == 5
    assert json.loads(out)["error"]["exit_code"] == 5
    assert "表示" in json.loads(out)["error"]["what"]


def test_the_demo_takes_any_encoding(tmp_path: Path) -> None:
    code = (
        "from hanboot.demo.story import Story\n"
        "story = Story(); story.chapter('£'); story.show(['│ ┼'])\n"
        "story.step('one', lambda: (True, '表示')); story.step('two', lambda: (False, ''))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert b"  + one" in ran.stdout
    assert b"  x two" in ran.stdout


@pytest.mark.parametrize(("name", "expected"), [("fresh", 0), ("key", 5)])
def test_a_full_disk_never_changes_the_exit_code(key: Path, name: str, expected: int) -> None:
    with open("/dev/full", "wb") as full:
        code, _, err = run("keys", "new", str(key.parent / name), "--json", stdout=full.fileno())
    assert code == expected
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err
    # the result is lost, and that is said
    assert err.count(b"standard output was cut short: No space left on device") == 1


def test_a_closed_pipe_never_changes_the_exit_code(key: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    code, _, err = run("keys", "new", str(key.parent / "piped"), stdout=writing)
    os.close(writing)
    assert (code, err) == (0, b"")


def test_errors_are_documents_too(tmp_path: Path) -> None:
    for arguments, expected in (
        (["image", "inspect", str(tmp_path / "none")], 5),
        (["image", "inspect"], 2),
        (["nonsense"], 2),
        (["status", "--port", str(tmp_path / "none")], 3),
    ):
        result = CliRunner().invoke(cli.main, [*arguments, "--json"])
        document = json.loads(result.stdout)
        assert document["error"]["exit_code"] == result.exit_code == expected
        assert document["error"]["what"] in result.stderr


# --- help


def test_the_table_of_commands_is_right() -> None:
    assert COMMANDS.keys() == LINES.keys() == {n for _, names, _ in GROUPS for n in names}
    for name, line in LINES.items():
        command = cli.main.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None
        said = (command.help or "").replace("\n", " ")
        assert said.startswith(line.rstrip(".")), (name, said)


def test_help_names_each_group_and_an_example() -> None:
    shown = CliRunner().invoke(cli.main, ["--help"], terminal_width=60).stdout
    for title, names, example in GROUPS:
        assert title in shown
        assert f"Example: {example}" in " ".join(shown.split())
        assert all(name in shown for name in names)


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for own in command.list_commands(ctx):
            found = command.get_command(ctx, own)
            assert found is not None
            yield from _commands(found, f"{name} {own}")


@pytest.mark.parametrize("width", [80, 60])
def test_help_fits_the_terminal(width: int) -> None:
    for name, command in _commands(cli.main, "hanboot"):
        # paths and choices, which are one word, are not broken
        if width < 80 and name in ("hanboot completion", "hanboot library invite"):
            continue
        ctx = click.Context(command, info_name=name, terminal_width=width, max_content_width=120)
        for line in command.get_help(ctx).splitlines():
            assert len(line) <= width, (name, line)


def test_help_imports_no_command() -> None:
    code = (
        "import sys; from hanboot.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*[m for m in sys.modules if m.startswith('hanboot.cli.')], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = set(ran.stderr.split())
    assert not loaded & {place.partition(":")[0] for place in COMMANDS.values()}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["statsu"], "hanboot status"),
        (["image", "buidl"], "hanboot image build"),
        (["board", "provison"], "hanboot board provision"),
    ],
    ids=str,
)
def test_a_mistyped_command_is_guessed(typed: list[str], meant: str) -> None:
    result = CliRunner().invoke(cli.main, typed, prog_name="hanboot")
    assert result.exit_code == 2
    assert f"did you mean {meant}" in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    result = CliRunner().invoke(cli.main, ["completion", shell])
    assert result.exit_code == 0
    assert "_HANBOOT_COMPLETE" in result.stdout
    code, out, _ = run(_HANBOOT_COMPLETE="bash_complete", COMP_WORDS="hanboot stat", COMP_CWORD="1")
    assert (code, out) == (0, b"plain,status\n")


def test_what_goes_over_the_line_is_logged_and_not_what_is_in_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    secret = b"private half of a key"
    client = SmpClient(_Echo(), retries=Retries(tries=2, reply_s=0.01))
    with caplog.at_level("DEBUG", "hanboot"):
        client.write(65, 9, {"key": secret})
        client.read(0, 3)
    sent, received, *_ = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(r"to echo: write group 65 command 9 sequence 1, \d+ bytes", sent)
    assert received == "from echo: write response group 65 command 9 sequence 1, 9 bytes"
    assert caplog.records[2].getMessage().startswith("to echo: read group 0 command 3 sequence 2")
    assert secret.hex() not in caplog.text
    assert secret.decode() not in caplog.text


class _Echo(Transport):
    """A device that answers every request with an empty map."""

    name = "echo"

    def __init__(self) -> None:
        self._frames = frame.FrameReader()
        self._said = b""

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def read(self) -> bytes:
        said, self._said = self._said, b""
        return said

    def write(self, octets: bytes) -> None:
        for found in self._frames.feed(octets):
            header = None if isinstance(found, str) else smp.parse_header(found)
            if header is None:
                continue
            header.operation += 1
            answer = (header.operation, header.group, header.sequence, header.command, {})
            self._said += frame.encode(smp.encode(1, *answer))


def test_a_log_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    CliRunner().invoke(cli.main, ["--log-file", str(log), "image", "inspect", "none"])
    assert log.exists()
    result = CliRunner().invoke(cli.main, ["--log-file", str(tmp_path / "no" / "log"), "keys"])
    assert result.exit_code == 5


def test_no_colour_where_nobody_wants_it(key: Path) -> None:
    code, out, err = run("keys", "new", str(key.parent / "key"), NO_COLOR="1", FORCE_COLOR="")
    assert (code, b"\x1b" in out + err) == (5, False)


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (("registry", "check", "--registry", "x.db"), "registry"),
        (("library", "serve", "library"), "library"),
    ],
    ids=["registry", "library"],
)
def test_a_module_that_is_missing_names_its_extra(
    tmp_path: Path, command: tuple[str, ...], extra: str
) -> None:
    """The library's extra has what the registry's has: one line, and one extra, is enough."""
    code = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        f"from hanboot.cli import main; main({list(command)!r})"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 2, ran.stderr
    assert f"pip install 'hanboot[{extra}]'" in ran.stderr


def test_a_choice_that_is_missing_is_one_line(tmp_path: Path) -> None:
    code = "from hanboot.cli import main; main(['deliver', 'check', 'x'])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 2, ran.stderr
    assert len(ran.stderr.splitlines()) == 3, ran.stderr
