"""Debian's Chromium, driven by Playwright: pages as a person sees and uses them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from witness import NODE_MODULES, ROOT, missing

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
