#!/usr/bin/env python3
"""Runs a network with a dashboard, opens it in headless Chromium, and kills a node by its button.

    .ci/check-dashboard.py PROGRAM
    .ci/check-dashboard.py --screenshots DIR PROGRAM

PROGRAM is `martlet-testnet`. The page is opened in light and dark, wide and as narrow as a phone. It fails if the page
asks for anything that is not its own, says anything on the console, is wider than the window, if names cover each other
or don't stand out, if a node that was killed is not shown so, or if the page does not say that the run has ended. Needs
Python's standard library and Chromium (Debian's package `chromium`).
"""

import argparse
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading

from browser import Chromium, Page, program

WINDOWS = {"wide": (1440, 1000), "narrow": (390, 844)}
SCHEMES = ["light", "dark"]
PREFIX = "Dashboard: "

SCENARIO = """
description = "Eight people who write to each other, each linked with four others."
duration = "10m"

[[nodes]]
name = "user"
count = 8

[topology]
kind = "random-regular"
degree = 4

[links]
latency = "15ms"
jitter = "5ms"

[[contacts]]
pairs = "random"
each = 3

[[traffic]]
from = "user"
to = "contacts"
every = "2s"
"""

# Returns what is wrong, as a list of texts.
LOOK = r"""
(() => {
  const wrong = [];
  const luminance = (color) => {
    const parts = color.match(/[\d.]+/g).slice(0, 3).map((part) => {
      const value = part / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) wrong.push(`the page is ${root.scrollWidth} px wide`);
  // What is behind the words: the nearest background that is one.
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!/, 0\)$/.test(color) && color !== "transparent") return color;
    }
    return "rgb(255, 255, 255)";
  };
  for (const element of document.querySelectorAll("h1, h2, p, dt, dd, th, td, li span, button:enabled")) {
    const words = element.textContent.trim();
    if (!words || element.hidden) continue;
    const found = contrast(getComputedStyle(element).color, behind(element));
    if (found < 4.5) wrong.push(`"${words}" has a contrast of ${found.toFixed(1)}`);
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth && getComputedStyle(element).display === "block") {
      wrong.push(`"${words}" is cut off`);
    }
  }
  const map = document.getElementById("map").getBoundingClientRect();
  const paper = getComputedStyle(document.querySelector(".stage")).backgroundColor;
  const boxes = [...document.querySelectorAll(".node .name")].map((text) => [text, text.getBoundingClientRect()]);
  if (boxes.length !== 8) wrong.push(`${boxes.length} nodes are drawn`);
  for (const [index, [text, box]] of boxes.entries()) {
    if (contrast(getComputedStyle(text).fill, paper) < 4.5) wrong.push(`"${text.textContent}" does not stand out`);
    if (box.left < map.left - 1 || box.right > map.right + 1 || box.top < map.top - 1 || box.bottom > map.bottom + 1) {
      wrong.push(`"${text.textContent}" is cut off`);
    }
    for (const [other, its] of boxes.slice(index + 1)) {
      const wide = Math.min(box.right, its.right) - Math.max(box.left, its.left);
      const high = Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top);
      if (wide > 1 && high > 3) wrong.push(`"${text.textContent}" and "${other.textContent}" cover each other`);
    }
  }
  if (document.querySelectorAll(".link.tcp, .link.quic").length < 8) wrong.push("hardly a link is connected");
  if (document.querySelectorAll("#plot circle").length < 3) wrong.push("no latencies are drawn");
  return wrong;
})()
"""


class Run:
    """A run with a dashboard; `url` is where."""

    def __init__(self, testnet, scenario, *args):
        self.process = subprocess.Popen(
            [testnet, "local", scenario, "--dashboard", *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        said = []
        for line in self.process.stderr:
            said.append(line)
            if line.startswith(PREFIX):
                self.url = line.removeprefix(PREFIX).strip()
                break
        else:
            raise RuntimeError(f"there is no dashboard: {''.join(said)}")
        # Else it would wait for its reader.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def of_node(name, more=""):
    return f"""document.querySelector('[data-node="{name}"]{more}')"""


def tile(name):
    return f"""parseInt(document.querySelector('[data-tile="{name}"] dd').textContent)"""


def until_busy(page, delivered=8):
    page.until("it runs", "document.getElementById('phase').textContent === 'running'")
    page.until("messages are delivered", f"{tile('delivered')} >= {delivered}")
    page.until("links are connected", "document.querySelectorAll('.link.tcp, .link.quic').length >= 8")


def kill_and_start(page, name):
    """Does so by mouse, and looks whether it is shown."""
    page.click(of_node(name, " .body"))
    page.until(f"{name} is chosen", f"document.querySelector('#inspector h2').textContent.startsWith('{name}')")
    page.click("document.querySelector('[data-do=kill]')")
    page.until(f"{name} is shown as off", f"{of_node(name)}.classList.contains('off')")
    page.until("the tile counts one less", f"{tile('nodes on')} === 7")
    page.until("the log tells it", f"document.getElementById('log').textContent.includes('crash of {name}by hand')")
    page.until("no link of it is connected", f"!document.querySelector('[data-link~=\"{name}\"] .link:is(.tcp, .quic)')")
    page.until("it can be started", "document.querySelector('[data-do=start]:enabled')")
    page.click("document.querySelector('[data-do=start]')")
    page.until(f"{name} is shown as on", f"{of_node(name)}.classList.contains('on')")


def cut_and_mend(page):
    """A link, by mouse."""
    page.click(
        "[...document.querySelectorAll('.hit')].find((line) => { const box = line.getBoundingClientRect();"
        " return document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2) === line; })"
    )
    page.until("a link is chosen", "document.querySelector('.link.chosen')")
    page.click("document.querySelector('[data-do=cut]')")
    page.until("it is shown as cut", "document.querySelector('.link.chosen').classList.contains('cut')")
    page.until("it can be mended", "document.querySelector('[data-do=mend]:enabled')")
    page.click("document.querySelector('[data-do=mend]')")
    page.until("it is shown as whole", "!document.querySelector('.link.chosen').classList.contains('cut')")


def check(browser, run, scheme, window, screenshots, is_first):
    page = Page(browser, scheme, WINDOWS[window])
    page.open(run.url)
    until_busy(page)
    if is_first:
        cut_and_mend(page)
        kill_and_start(page, "user-3")
    else:
        page.click(of_node("user-5", " .body"))
        page.until("a node is chosen", "document.querySelector('#inspector h2').textContent.startsWith('user-5')")
    wrong = list(dict.fromkeys(page.value(LOOK)))
    wrong += page.complaints(lambda asked: asked.startswith((run.url, "data:")))
    if screenshots:
        page.picture(screenshots / f"dashboard-{scheme}-{window}.png")
    return page, wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("testnet", metavar="PROGRAM")
    parser.add_argument("--screenshots", type=pathlib.Path, metavar="DIR", help="put pictures of the page there")
    args = parser.parse_args()
    chromium = program()
    failed = False
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        scenario = pathlib.Path(directory) / "eight.toml"
        scenario.write_text(SCENARIO)
        run = Run(args.testnet, scenario)
        browser = Chromium(chromium, f"{directory}/profile")
        try:
            open_page = None
            for scheme in SCHEMES:
                for window in WINDOWS:
                    page, wrong = check(browser, run, scheme, window, args.screenshots, open_page is None)
                    failed = failed or bool(wrong)
                    print(f"dashboard ({scheme}, {window}): {'wrong' if wrong else 'good'}")
                    for text in wrong[:20]:
                        print(f"  {text}")
                    if open_page is None:
                        open_page = page
                    else:
                        page.close()
            run.interrupt()
            banner = "document.getElementById('banner')"
            open_page.until("it tells that the run ended", f"{banner}.textContent.includes('The run has ended: interrupted')")
            open_page.until("no button is left", "!document.querySelector('#inspector button[data-do]:enabled, .tools button:enabled')")
            open_page.until("it is readable still", f"{tile('delivered')} >= 8")
            print("dashboard: told the end, and stays readable")
        finally:
            browser.end()
            run.end()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
