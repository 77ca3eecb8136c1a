"""Debian's Chromium, driven by Playwright: pages as a person sees and uses them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, sync_playwright
from playwright.sync_api import expect as playwright_expect
from witness import NODE_MODULES, ROOT, missing

from hanboot.link.deadline import Deadline
from hanboot.link.process_clock import own_clock

_OPTIONS = [
    "--headless",
    # the sandbox refuses to run as root; what is shown are our own pages alone
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: How long a page may take to show something, of the time that this process, the browser and the
#: server get; and how long Playwright looks for it at once.
_SHOWN_S = 15.0
_LOOK_MS = 500

#: Where pictures are left to be looked at.
SCREENSHOTS = ROOT / "build" / "screenshots"

#: Rules of axe-core that WCAG 2.2 AA stands for.
WCAG_22_AA = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running Chromium; without one the test is skipped, or fails in CI."""
    program = shutil.which("chromium")
    if program is None:
        missing("Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


class _Expected:
    """Playwright's expectations of a page or of a part of it."""

    def __init__(self, found: Page | Locator) -> None:
        self._found = playwright_expect(found)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Callable[..., None]:
        look = getattr(self._found, name)

        def check(*arguments: object) -> None:
            deadline = Deadline(_SHOWN_S, own_clock())
            while True:
                try:
                    look(*arguments, timeout=_LOOK_MS)
                    return
                except AssertionError:
                    if deadline.passed:
                        raise

        return check


def expect(found: Page | Locator) -> Any:
    """As Playwright's, which counts the wall's time."""
    return _Expected(found)


def axe_script() -> str:
    """axe-core as it is run in a page."""
    script: Path = NODE_MODULES / "axe-core" / "axe.min.js"
    if not script.exists():
        missing("axe-core")
    return script.read_text()


def violations(page: Page, script: str) -> list[str]:
    """What axe-core finds wrong in a page, by WCAG 2.2 AA: rule, and the elements in question."""
    # the driver's own evaluation is not bound by the page's content security policy
    page.evaluate(script)
    found: dict[str, Any] = page.evaluate(
        "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})", list(WCAG_22_AA)
    )
    # an analysis that looked at nothing finds nothing
    assert len(found["passes"]) > 5, found["passes"]
    return [
        f"{each['id']}: {each['help']}: " + "; ".join(node["html"] for node in each["nodes"])
        for each in found["violations"]
    ]
