"""`make demo`: a PPMID refuses the upgrade that would break it, and takes the right path.

Every step is played on the device code in a real MicroPython, through the same calls as the
command line's. A step that does not go as expected fails the demo. It is a virtual PPMID, with
`esp32` as argument one with the partitions of an ESP32, or with `rp2040` the firmware of a Pico on
an emulated chip.

story, bench    how steps are shown and counted; a PPMID with a user at its console
parties         who plays the chain
household, uncontrolled, inherited, network, chain    the acts
"""

from __future__ import annotations

import functools
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from hanboot import terminal
from hanboot.boards import local
from hanboot.demo import household, network, uncontrolled
from hanboot.demo.bench import Bench, KeyPairs, Releases, build
from hanboot.demo.story import Story

#: An act, with a new PPMID of its own.
Act = Callable[[Story, Bench, KeyPairs, Releases], None]


def _play_inherited(story: Story, bench: Bench, pairs: KeyPairs, releases: Releases) -> None:
    # imported late: it keeps a registry, which is an extra of its own
    try:
        from hanboot.demo import inherited
    except ModuleNotFoundError as error:
        terminal.echo(
            f"\nthe act on inherited devices is left out: {error.name} is missing; ", end=False
        )
        terminal.echo("pip install 'hanboot[registry]'")
        return
    inherited.play(story, bench, pairs, releases)


def _play_chain(
    story: Story, bench: Bench, pairs: KeyPairs, releases: Releases, is_short: bool = False
) -> None:
    # imported late: the services around a device are an extra of their own
    try:
        from hanboot.demo import chain
    except ModuleNotFoundError as error:
        terminal.echo(f"\nthe chain is left out: {error.name} is missing; ", end=False)
        terminal.echo("pip install 'hanboot[chain]'")
        return
    (chain.play_short if is_short else chain.play)(story, bench, pairs, releases)


_ACTS: tuple[tuple[str, Act], ...] = (
    ("household", household.play),
    ("neighbour", uncontrolled.play),
    ("inherited", _play_inherited),
)
#: Longer ones, played when asked for: by name, or with "all". On virtual boards alone, which carry
#: HAN frames over their console.
_MORE_ACTS: tuple[tuple[str, Act], ...] = (
    ("home", network.play),
    ("chain", _play_chain),
)

#: Of those, what a minute has room for: played after `_ACTS` where no act is named.
_SHORT_ACTS: tuple[tuple[str, Act], ...] = (
    ("home", network.play),
    ("chain", functools.partial(_play_chain, is_short=True)),
)

#: What is played on the emulated chip; the rest is about the registries, whatever the device.
_ACTS_RP2040 = _ACTS[:1]


#: What it can be played on.
KINDS = (*local.BOARDS, "rp2040")


def main(
    kind: str = "virtual", act: str = "", wait: Callable[[str], None] = lambda act: None
) -> None:
    """Plays the demo; exit status 1 if any step did not go as expected, 2 for an unknown board.

    Args:
        kind: what it is played on.
        act: "all", the name of one, or nothing for those that take a minute.
        wait: called before each act, with its name.
    """
    if kind not in KINDS:
        terminal.echo(f"no board {kind} to play the demo on: {', '.join(KINDS)}", err=True)
        sys.exit(2)
    acts = _chosen(kind, act)
    if kind == "rp2040":
        terminal.echo(
            "on an emulated RP2040, some 15 times slower than the chip: it takes some minutes"
        )
    folder = Path(tempfile.mkdtemp(prefix="hanboot-demo-"))
    story = Story(wait)
    try:
        pairs, releases = _desk(story)
        for name, play in acts:
            # before its device starts, whose credit runs down meanwhile
            story.act(name)
            bench = Bench(folder / name, kind)
            try:
                play(story, bench, pairs, releases)
            finally:
                bench.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    terminal.echo("")
    colour = "green" if story.as_expected == story.steps else "red"
    terminal.echo(f"{story.steps} steps, {story.as_expected} as expected", fg=colour, bold=True)
    sys.exit(story.as_expected != story.steps)


def _chosen(kind: str, act: str) -> tuple[tuple[str, Act], ...]:
    usual = _ACTS_RP2040 if kind == "rp2040" else _ACTS
    is_virtual = kind == "virtual"
    if not act:
        return usual + (_SHORT_ACTS if is_virtual else ())
    there = usual + (_MORE_ACTS if is_virtual else ())
    if act == "all":
        return there
    chosen = tuple(one for one in there if one[0] == act)
    if not chosen:
        names = ", ".join(name for name, _ in there)
        terminal.echo(f"no act {act} on {kind}: all, {names}", err=True)
        sys.exit(2)
    return chosen


def _desk(story: Story) -> tuple[KeyPairs, Releases]:
    story.chapter("A manufacturer's desk")
    pairs = KeyPairs.generate()
    kids = {key.public.kid for key in (pairs.manufacturer, pairs.supplier, pairs.stranger)}
    story.step(
        "keys made: manufacturer, supplier, and a stranger's",
        lambda: (len(kids) == 3, ", ".join(kid.hex() for kid in sorted(kids))),
    )
    v100 = build("1.0.0", pairs.manufacturer)
    v110 = build("1.1.0", pairs.manufacturer, (v100,))
    v200 = build("2.0.0", pairs.manufacturer, (v110,))
    v210 = build("2.1.0-faulty", pairs.manufacturer, (v200,))
    story.step(
        "three releases built: 1.0.0, 1.1.0 (may follow 1.0.0), 2.0.0 (may follow 1.1.0 alone)",
        lambda: (
            v110.manifest is not None
            and [digest for _, digest, _ in v110.manifest.predecessors] == [v100.image_hash],
            "1.1.0 moves the prepayment credit to a new record; 2.0.0 reads nothing but that one.",
        ),
    )
    return pairs, Releases(v100, v110, v200, v210)
