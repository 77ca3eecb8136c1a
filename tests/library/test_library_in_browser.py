"""The library in a real browser: what people do with it, by mouse and by keyboard alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chromium import SCREENSHOTS, axe_script, chromium, expect, violations
from playwright.sync_api import Browser, BrowserContext, Page
from served_library import ServedLibrary

from hanboot.library.library import Library

SignIn = Callable[[str], Page]
PPMID = "FFF000050100"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # of the module: while it runs, no other test may start an event loop
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def served() -> Iterator[ServedLibrary]:
    server = ServedLibrary()
    yield server
    server.close()


@pytest.fixture(scope="module")
def signed_in(browser: Browser, served: ServedLibrary) -> Iterator[SignIn]:
    """A new page of a user, who signs in once for all tests: a code counts once."""
    contexts: dict[str, BrowserContext] = {}

    def page_of(name: str) -> Page:
        if name in contexts:
            page = contexts[name].new_page()
            page.goto(served.url)
            return page
        contexts[name] = browser.new_context(viewport={"width": 1280, "height": 900})
        page = contexts[name].new_page()
        page.goto(served.url)
        expect(page).to_have_url(f"{served.url}sign-in?next=%2F")
        account = served.accounts[name]
        page.get_by_label("E-mail address").fill(account.email)
        page.get_by_label("Password").fill(account.password)
        page.get_by_label("Code of the second factor").fill(account.code())
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("banner")).to_contain_text(account.party)
        return page

    yield page_of
    for context in contexts.values():
        context.close()


def press_tab_until(page: Page, name: str) -> None:
    """Moves the focus as a keyboard does, to what is called `name`; it must be seen there."""
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """() => {
                const e = document.activeElement, style = getComputedStyle(e);
                if (e === document.body) return ['', '', 0];
                const label = e.labels && e.labels.length ? e.labels[0].innerText : e.innerText;
                return [label || '', style.outlineStyle, parseFloat(style.outlineWidth)];
            }"""
        )
        if name in focused[0]:
            assert focused[1] != "none", f"{name} has the focus, and nothing shows it"
            assert focused[2] >= 2, focused
            return
    raise AssertionError(f"the keyboard does not reach {name}")


def test_a_submission_from_a_wrong_list_to_the_library(
    served: ServedLibrary, signed_in: SignIn
) -> None:
    maker = signed_in("volt")
    maker.get_by_role("link", name="Submit", exact=True).click()
    maker.get_by_label("Image", exact=True).set_input_files(served.to_submit / "PPMID-2.0.1.ota")
    maker.get_by_label("Device Type").select_option("PPMID")
    maker.get_by_label("ZigBee Join Option").select_option("2.4 GHz Only")
    maker.get_by_label("Device Model").fill("00050100")
    maker.get_by_label("Predecessor CPL Entry IDs").fill("PPMID-0001")
    maker.get_by_label("ZigBee Chipset Vendor").fill("Example Radios")
    maker.get_by_label("ZigBee Stack Version").fill("3.3")
    maker.get_by_label("ZigBee Stack Certificate").fill("ZCP-0002")
    maker.get_by_label("Release notes").fill("Keeps the time over a power cut.")
    maker.get_by_label("Supplier").select_option(label="Northern Energy")
    maker.get_by_role("button", name="Submit").click()
    # the image names another predecessor than the form: stopped, and it is said which
    stopped = maker.get_by_role("alert")
    expect(stopped).to_be_visible()
    expect(maker.locator("#id_image_error")).to_contain_text("PPMID-0003")
    check_page(maker, axe_script(), "submit-stopped")

    maker.get_by_label("Predecessor CPL Entry IDs").fill("PPMID-0003")
    maker.get_by_label("Image", exact=True).set_input_files(served.to_submit / "PPMID-2.0.1.ota")
    maker.get_by_role("button", name="Submit").click()
    expect(maker.get_by_role("heading", level=1)).to_contain_text("Submission")
    expect(maker.get_by_text("No finding: it strands no device")).to_be_visible()
    address = maker.url

    supplier = signed_in("north")
    supplier.get_by_role("link", name="Submissions").click()
    supplier.get_by_role("link", name="PPMID-0004").click()
    supplier.get_by_label("Remark").fill("tried on ten devices")
    supplier.get_by_role("button", name="Authorise").click()
    expect(supplier.get_by_role("status")).to_contain_text("was authorised")

    reviewer = signed_in("secas")
    reviewer.goto(address)
    reviewer.get_by_role("button", name="List it").click()
    expect(reviewer.get_by_role("status")).to_contain_text("is listed")
    reviewer.get_by_role("button", name="Enter it on the CPL").click()
    expect(reviewer.get_by_text("PPMID-0004 is Active")).to_be_visible()

    # what runs 2.0.0 is led to it
    supplier.goto(f"{served.url}plan?model={PPMID}&version=02000000")
    expect(supplier.get_by_role("heading", name="Step 1")).to_contain_text("PPMID-0004")


@pytest.mark.parametrize("option", [1, 2, 3])
def test_a_delivery_by_each_option(served: ServedLibrary, signed_in: SignIn, option: int) -> None:
    """The elements are put together and verified, up to the comparison with the fields."""
    maker = signed_in("volt")
    maker.goto(f"{served.url}submit")
    folder = served.to_submit / f"option-{option}"
    maker.get_by_label("Delivered as").select_option(str(option))
    labels = {
        ".manufacturer-image": "Image",
        ".ota": "Image",
        ".delivery": "Image",
        ".ota-header": "OTA Header",
        ".manufacturer-signature": "Manufacturer's signature",
        ".sha256": "Hash file",
    }
    for file in folder.iterdir():
        maker.get_by_label(labels[file.suffix], exact=True).set_input_files(file)
    key = maker.get_by_label("Manufacturer's public key")
    key.set_input_files(served.to_submit / "manufacturer-public.pem")
    maker.get_by_label("CPL Entry ID", exact=True).fill(f"OPTION-{option}")
    maker.get_by_label("Device Type").select_option("PPMID")
    maker.get_by_label("Device Model").fill("00050100")
    maker.get_by_label("Predecessor CPL Entry IDs").fill("PPMID-0003")
    maker.get_by_label("Supplier").select_option(label="Southern Energy")
    maker.get_by_role("button", name="Submit").click()
    # the image is read whichever way it came: it says another CPL Entry ID
    expect(maker.locator("#id_image_error")).to_contain_text("PPMID-0004")
    # and a wrong signature is found before anything else
    if option == 1:
        for file in folder.iterdir():
            maker.get_by_label(labels[file.suffix], exact=True).set_input_files(file)
        key.set_input_files(served.to_submit / "manufacturer-public.pem")
        header = bytearray(next(folder.glob("*.ota-header")).read_bytes())
        header[20] ^= 1
        maker.get_by_label("OTA Header").set_input_files(
            {"name": "header", "mimeType": "application/octet-stream", "buffer": bytes(header)}
        )
        maker.get_by_role("button", name="Submit").click()
        expect(maker.locator("#id_image_error")).to_contain_text("signature")


def test_a_supplier_plans_and_downloads(served: ServedLibrary, signed_in: SignIn) -> None:
    supplier = signed_in("north")
    supplier.get_by_role("link", name="What next?").click()
    supplier.get_by_label("Model").fill(PPMID)
    supplier.get_by_label("Firmware version that runs").fill("01000000")
    supplier.get_by_role("button", name="Plan").click()
    steps = supplier.locator(".steps > li")
    expect(steps.nth(0)).to_contain_text("PPMID-0002")
    expect(steps.nth(1)).to_contain_text("PPMID-0003")
    # what must be known stands before the download, and is acknowledged first
    expect(steps.nth(0)).to_contain_text("there is no way back")
    expect(steps.nth(0)).to_contain_text("flickers")
    expect(steps.nth(0).get_by_role("link", name="Download")).to_have_count(0)
    steps.nth(0).get_by_role("button", name="I have read").click()
    expect(supplier.get_by_role("heading", name="Install in this order")).to_be_visible()
    with supplier.expect_download() as waiting:
        steps.nth(0).get_by_role("link", name="Download").click()
    octets = Path(waiting.value.path()).read_bytes()
    stored = [file.name for file in (served.folder / "images").rglob("*") if file.is_file()]
    assert hashlib.sha256(octets).hexdigest() in stored
    # the commercial one shows whom to ask
    supplier.goto(f"{served.url}models/FFF000040100")
    supplier.get_by_role("link", name="HCALCS-0001").click()
    expect(supplier.get_by_text("commercially released (SECMP0009 3)")).to_be_visible()
    expect(supplier.get_by_text("ask firmware@volt.example")).to_be_visible()


def test_the_ssc_asks_for_a_stack(signed_in: SignIn) -> None:
    ssc = signed_in("ssc")
    ssc.get_by_role("link", name="ZigBee stacks").click()
    ssc.get_by_label("Chipset vendor").fill("example radios")
    ssc.get_by_role("button", name="Ask").click()
    row = ssc.get_by_role("row").filter(has_text="PPMID-0001")
    expect(row).to_contain_text("Example Radios")
    expect(row.get_by_role("cell").last).to_have_text("3")
    ssc.get_by_label("Chipset vendor").fill("another maker")
    ssc.get_by_role("button", name="Ask").click()
    expect(ssc.get_by_text("Nothing was found.")).to_be_visible()


def test_by_the_keyboard_alone(served: ServedLibrary, browser: Browser) -> None:
    """Sign in, plan, acknowledge, download; no pointer, and the focus always to be seen."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, account = context.new_page(), served.accounts["south"]
    page.goto(served.url)
    for label, text in (
        ("E-mail address", account.email),
        ("Password", account.password),
        ("Code of the second factor", account.code()),
    ):
        press_tab_until(page, label)
        page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Firmware")).to_be_visible()
    # the first stop is the way past the navigation
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    press_tab_until(page, "What next?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="My device runs this")).to_be_visible()
    press_tab_until(page, "Model")
    page.keyboard.type(PPMID)
    press_tab_until(page, "Firmware version that runs")
    page.keyboard.type("01010000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Install in this order")).to_be_visible()
    press_tab_until(page, "I have read")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Download the image")).to_be_visible()
    press_tab_until(page, "Download the image")
    with page.expect_download() as waiting:
        page.keyboard.press("Enter")
    assert waiting.value.suggested_filename == "FFF0-0005-02000000.zigbee"
    # and in the list of sessions it is this browser that is there
    page.goto(f"{served.url}account")
    expect(page.get_by_role("row").filter(has_text="(this one)")).to_contain_text("Chrome")
    context.close()


def test_an_invitation_and_a_recovery(
    served: ServedLibrary, signed_in: SignIn, browser: Browser
) -> None:
    import pyotp

    administrator = signed_in("secas")
    administrator.goto(f"{served.url}parties")
    administrator.get_by_role("link", name="Metering Assets plc").click()
    administrator.get_by_label("E-mail address").fill("new@example.org")
    administrator.get_by_role("button", name="Invite").click()
    link = administrator.get_by_role("status").locator("code").inner_text()
    check_page(administrator, axe_script(), "party-2")
    context = browser.new_context()
    page = context.new_page()
    for password in ("the first of the passwords", "the second of the passwords"):
        page.goto(link)
        check_page(page, axe_script(), "accept_invitation-2")
        secret = page.locator("#secret").inner_text()
        name = page.get_by_label("Your name")
        if name.count():
            name.fill("A new colleague")
        page.get_by_label("Password").fill(password)
        page.get_by_label("Code that the authenticator shows").fill(pyotp.TOTP(secret).now())
        page.get_by_role("button", name=re.compile("Make the account|Set password")).click()
        expect(page.get_by_role("heading", name="Keep these recovery codes")).to_be_visible()
        check_page(page, axe_script(), "recovery_codes")
        # a recovery code stands for the second factor
        recovery_code = page.locator("li code").first.inner_text()
        page.get_by_role("link", name="Sign in").click()
        page.get_by_label("E-mail address").fill("new@example.org")
        page.get_by_label("Password").fill(password)
        page.get_by_label("Code of the second factor").fill(recovery_code)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("banner")).to_contain_text("Metering Assets plc")
        # used up
        page.goto(link)
        expect(page.get_by_role("heading", level=1)).to_have_text("This invitation cannot be used")
        administrator.reload()
        administrator.get_by_role("button", name="Recover new@example.org").click()
        link = administrator.get_by_role("status").locator("code").inner_text()
        # the session ended with the recovery
        page.goto(served.url)
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()


# --- every page: accessible, in its frame at any width, light and dark

#: Who looks at the page of a route, and where: each GET route of the table but those below.
PLACES: dict[str, list[tuple[str, str]]] = {
    "front": [("north", ""), ("secas", "?state=&text=&device_type=PPMID")],
    "entry": [("north", "entries/2"), ("secas", "entries/4"), ("metering", "entries/1")],
    "model": [("north", f"models/{PPMID}"), ("north", "models/FFF000990100")],
    "plan": [
        ("north", "plan"),
        ("north", f"plan?model={PPMID}&version=01000000"),
        ("north", f"plan?model={PPMID}&version=09090909"),
        ("north", "plan?model=x&version=x"),
    ],
    "zigbee": [("ssc", "zigbee?vendor=radios&stack=")],
    "submit": [("volt", "submit")],
    "correct": [("volt", "entries/2/correct")],
    "waiting": [("north", "submissions"), ("dcc", "submissions")],
    "submission": [
        ("north", "submissions/5"),
        ("dcc", "submissions/6"),
        ("secas", "submissions/6"),
    ],
    "parties": [("secas", "parties")],
    "party": [("secas", "parties/1")],
    "added_fields": [("secas", "fields")],
    "cpl_status": [("secas", "cpl?cpl_entry_id=PPMID-0001")],
    "audit_log": [("secas", "audit?verify=1")],
    "guidelines": [("volt", "guidelines")],
    "account": [("north", "account")],
    "sign_in": [("", "sign-in")],
    "accept_invitation": [("", "invitations/x")],
}
#: GET routes that answer with no page.
NOT_PAGES = {"health", "metrics", "static", "image", "pathways_svg", "audit_csv"}
SIZES = {"1280": (1280, 900), "400": (400, 800)}


def picture(name: str) -> Path:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS / f"{name}.png"


def test_no_page_is_missing(library: Library) -> None:
    from hanboot.library.web import routes, urls

    assert urls.urlpatterns
    shown = {each.name for each in routes.routes() if "GET" in each.methods}
    assert shown == PLACES.keys() | NOT_PAGES


@pytest.mark.parametrize("route", PLACES)
def test_every_page(served: ServedLibrary, signed_in: SignIn, browser: Browser, route: str) -> None:
    script = axe_script()
    for number, (name, path) in enumerate(PLACES[route], 1):
        page = signed_in(name) if name else browser.new_page()
        page.goto(f"{served.url}{path}")
        check_page(page, script, f"{route}-{number}")
        page.close()


def test_what_is_wrong_is_found(browser: Browser) -> None:
    """The check itself: grey on grey, a field without a label, and a picture without words."""
    page = browser.new_page()
    page.set_content(
        "<html lang='en'><title>x</title><main><h1>x</h1><p style='color:#ccc'>pale</p>"
        "<p>more</p><ul><li>x</li></ul><input type='text'><img src='x.png'></main></html>"
    )
    found = " ".join(violations(page, axe_script()))
    page.close()
    for rule in ("color-contrast", "label", "image-alt"):
        assert f"{rule}:" in found


def check_page(page: Page, script: str, name: str) -> None:
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        # WCAG 1.4.10: nothing but tables and diagrams scrolls sideways
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, size)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.screenshot(path=picture(f"{name}-{size}-{scheme}"), full_page=True)
            # narrow and wide differ in layout, light and dark in contrast
            if (size == "1280") == (scheme == "light"):
                assert violations(page, script) == [], name
