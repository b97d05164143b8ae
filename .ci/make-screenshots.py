#!/usr/bin/env python3
"""Makes the pictures of README.md and docs/testnet.md anew: docs/dashboard.png and docs/report.png.

    .ci/make-screenshots.py PROGRAM

PROGRAM is `martlet-testnet`. To be run when the dashboard or the report looks different; what it makes is to be looked at
before it is committed. A network of sixteen is run, split and broken by the dashboard's own buttons; `split-and-heal` is
simulated for the report. Needs Chromium and pngquant (Debian's packages of these names).
"""

import argparse
import importlib.util
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from browser import Chromium, Page, program

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Bytes of a picture: README.md is read over slow lines too.
BYTES_MAX = 150_000

SCENARIO = """
description = "Sixteen people, each linked with five others. Some go, and the network is split, by button."
duration = "5m"

[[nodes]]
name = "user"
count = 16

[topology]
kind = "random-regular"
degree = 5

[links]
latency = "20ms"
jitter = "15ms"

[[contacts]]
pairs = "random"
each = 3

[[traffic]]
from = "user"
to = "contacts"
every = "4s"
"""


def shrink(path):
    subprocess.run(["pngquant", "--force", "--strip", "--speed", "1", "--ext", ".png", "128", path], check=True)
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size} bytes")
    if size > BYTES_MAX:
        sys.exit(f"{path} has {size} bytes, at most {BYTES_MAX}")


def dashboard(testnet, browser, directory, path):
    spec = importlib.util.spec_from_file_location("check_dashboard", ROOT / ".ci/check-dashboard.py")
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    scenario = directory / "sixteen.toml"
    scenario.write_text(SCENARIO)
    run = check.Run(testnet, scenario)
    try:
        page = Page(browser, "light", (1280, 940))
        page.open(run.url)
        check.until_busy(page, 60)
        page.click(check.of_node("user-12", " .body"))
        page.until("it is chosen", "document.querySelector('#inspector h2').textContent.startsWith('user-12')")
        page.click("document.querySelector('[data-do=kill]')")
        page.until("it is off", f"{check.of_node('user-12')}.classList.contains('off')")
        page.click("document.getElementById('split')")
        page.until("it is split", "document.querySelector('.node.side-1')")
        page.click(check.of_node("user-5", " .body"))
        # Until the connections across are given up, and some messages wait.
        page.until("the split is noticed", "document.querySelectorAll('.badge rect').length > 6")
        time.sleep(4)
        page.value("scrollTo(0, 0)")
        page.picture(path, whole=False)
        page.close()
        run.interrupt()
    finally:
        run.end()


def report(testnet, browser, directory, path):
    subprocess.run([testnet, "sim", "split-and-heal", "--report", directory / "out"], check=True, capture_output=True)
    page = Page(browser, "light", (1280, 650))
    page.open((directory / "out/report.html").resolve().as_uri())
    page.value("(document.querySelector('.figures').scrollIntoView(), scrollBy(0, -12))")
    page.picture(path, whole=False)
    page.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("testnet", metavar="PROGRAM")
    args = parser.parse_args()
    if not shutil.which("pngquant"):
        sys.exit("make-screenshots.py: there is no pngquant; on Debian: apt-get install pngquant")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        directory = pathlib.Path(directory)
        browser = Chromium(program(), f"{directory}/profile")
        try:
            for make, name in [(dashboard, "dashboard.png"), (report, "report.png")]:
                path = ROOT / "docs" / name
                make(args.testnet, browser, directory, path)
                shrink(path)
        finally:
            browser.end()


if __name__ == "__main__":
    main()
