"""A real browser without a network, and the page of the small study in it."""

import os
import shutil
import subprocess
import sys

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from keplearn.cli import main

_CHROMIUM, _DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
_FLAGS = (
    *(
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-sync",
    ),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1280,940"),
    # The page must need nothing from anywhere.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def _install() -> None:
    if shutil.which(_CHROMIUM) and shutil.which(_DRIVER):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        pytest.skip("no chromium and chromium-driver here, and no right to install them")
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run(["apt-get", "update"], **quiet)
    packages = ["chromium", "chromium-driver"]
    subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *packages], **quiet)


class Page:
    """A page in the browser, and what a reader does with it."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, address):
        """Open a file, or a file with an address behind it."""
        self.driver.get("about:blank")
        self.driver.get(address)
        self.settle()

    def settle(self):
        """Wait until the page has drawn all, for two frames on end: a panel that opens changes sizes."""
        self.driver.execute_async_script("""
            const done = arguments[0];
            let quiet = 0;
            const look = () => {
              quiet = document.querySelector("main[aria-busy]") ? 0 : quiet + 1;
              quiet > 2 ? done() : requestAnimationFrame(look);
            };
            requestAnimationFrame(look);
        """)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector):
        found = self.all(selector)
        assert found, f"nothing is {selector}"
        return found[0]

    def click(self, selector):
        element = self.one(selector)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()
        self.settle()

    def choose(self, selector, text):
        """Choose an option of a menu by its text."""
        options = [x for x in self.one(selector).find_elements("tag name", "option") if x.text == text]
        options[0].click()
        self.settle()

    def type(self, selector, text):
        element = self.one(selector)
        element.clear()
        element.send_keys(text)
        self.settle()

    def column(self, key):
        """The cells of a column of the table, from its top, as far as they are in sight."""
        script = """
            const keys = [...document.querySelectorAll('#table [data-sort]')].map((x) => x.dataset.sort);
            const place = keys.indexOf(arguments[0]) + 1;
            return [...document.querySelectorAll('#table tr[data-row]')].map((row) => row.cells[place].textContent);
        """
        return self.driver.execute_script(script, key)

    def text(self, selector):
        return " ".join(x.text for x in self.all(selector))

    def errors(self):
        """What the browser complained of since the last call."""
        return [entry for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    _install()
    options = webdriver.ChromeOptions()
    options.binary_location = _CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(flag)
    driver = webdriver.Chrome(service=Service(_DRIVER), options=options)
    yield Page(driver)
    driver.quit()


@pytest.fixture
def page(browser):
    """The browser, and at the end a look whether it complained."""
    yield browser
    assert browser.errors() == []


@pytest.fixture(scope="session")
def small_page(small_study, tmp_path_factory):
    """The report of the small study, as the command line writes it."""
    out = tmp_path_factory.mktemp("reports")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sys, "argv", ["keplearn", "report", "small", "--runs", str(small_study), "--out", str(out)]
        )
        try:
            main()
        except SystemExit as stop:
            assert not stop.code
    return out / "small.html"
