"""What the control prevents: the same upgrade, on a PPMID whose image was built to allow it."""

from __future__ import annotations

from hanboot.demo.bench import TOP_UP, Bench, KeyPairs, Releases, build, pounds
from hanboot.demo.story import Story


def play(story: Story, bench: Bench, pairs: KeyPairs, releases: Releases) -> None:
    v100 = releases.v100
    story.chapter("What the control prevents: another PPMID, its 2.0.0 built to follow 1.0.0")
    wrong = build("2.0.0", pairs.manufacturer, (v100,), predecessors=())
    story.step("provisioned", lambda: (bench.provision(pairs), ""))
    story.step("1.0.0 installed", lambda: bench.upgrade(v100))
    story.step(f"top-up of £{TOP_UP}", lambda: bench.credit(f"top-up {TOP_UP}"))

    def damage() -> tuple[bool, str]:
        installed, running = bench.upgrade(wrong)
        answer = bench.ask("balance")
        return installed and pounds(answer) == 0, f"{running}\n{answer}"

    story.step("2.0.0 installed over 1.0.0: the credit is lost", damage)
    story.show(bench.display())
