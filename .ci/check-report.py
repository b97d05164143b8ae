#!/usr/bin/env python3
"""Opens reports of martlet-testnet in headless Chromium and looks whether a person could read them.

    .ci/check-report.py REPORT.html…
    .ci/check-report.py --screenshots DIR REPORT.html…

The page of a sweep is named index.html, and has at least one figure. Each is opened in light and dark, wide and as narrow as a phone. It fails if the page asks for anything, says anything
on the console, is wider than the window, lacks a figure, or if in a figure nothing is drawn, words are cut off, cover
each other or don't stand out. Needs Python's standard library and Chromium (Debian's package `chromium`).
"""

import argparse
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

FIGURES = ["topology", "delivery", "latency", "bytes-per-node", "amplification", "mailbox"]
WINDOWS = {"wide": (1280, 900), "narrow": (400, 800)}
SCHEMES = ["light", "dark"]
DEADLINE_S = 60
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--remote-debugging-pipe",
]  # fmt: skip

# Returns what is wrong, as a list of texts.
LOOK = r"""
((figures) => {
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
  const found = [...document.querySelectorAll("figure")].map((figure) => figure.id);
  for (const id of figures) if (!found.includes(id)) wrong.push(`there is no figure "${id}"`);
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) wrong.push(`the page is ${root.scrollWidth} px wide`);
  for (const figure of document.querySelectorAll("figure")) {
    const say = (text) => wrong.push(`figure "${figure.id}": ${text}`);
    const svg = figure.querySelector("svg.plot");
    if (!svg) { say("no drawing"); continue; }
    for (const part of ["h3", "figcaption"]) {
      if (!figure.querySelector(part)?.textContent.trim()) say(`no ${part}`);
    }
    const title = document.getElementById(svg.getAttribute("aria-labelledby"));
    if (svg.getAttribute("role") !== "img" || !title?.textContent.trim()) say("no name for screen readers");
    const whole = svg.getBoundingClientRect();
    if (whole.width < 200 || whole.height < 100) say(`it is ${whole.width} by ${whole.height} px`);
    const paper = getComputedStyle(figure).backgroundColor;
    const shapes = [...svg.querySelectorAll("polyline, polygon, rect, circle")];
    const drawn = shapes.filter((shape) => { const box = shape.getBoundingClientRect(); return box.width + box.height > 0; });
    if (drawn.length < 3) say("nothing is drawn");
    for (const shape of svg.querySelectorAll("*")) {
      const style = getComputedStyle(shape);
      if (shape.tagName !== "title" && !/^[fs]\d+$/.test(shape.getAttribute("class") ?? "")) {
        say(`<${shape.tagName}> has no colour of the style sheet`);
      }
      if (style.fill === "none" && style.stroke === "none") say(`<${shape.tagName}> can't be seen`);
    }
    const texts = [...svg.querySelectorAll("text")].filter((text) => text.textContent.trim());
    if (figure.id !== "topology" && texts.length < 6) say(`only ${texts.length} labels`);
    const boxes = texts.map((text) => [text.textContent.trim(), text.getBoundingClientRect()]);
    for (const [index, [words, box]] of boxes.entries()) {
      const fill = getComputedStyle(texts[index]).fill;
      const onNode = texts[index].classList.contains("f3");
      if (!onNode && contrast(fill, paper) < 4.5) say(`"${words}" has a contrast of ${contrast(fill, paper)}`);
      if (box.left < whole.left - 1 || box.right > whole.right + 1 || box.top < whole.top - 1 || box.bottom > whole.bottom + 1) {
        say(`"${words}" is cut off`);
      }
      if (figure.id === "topology") continue;
      for (const [others, other] of boxes.slice(index + 1)) {
        const wide = Math.min(box.right, other.right) - Math.max(box.left, other.left);
        const high = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
        if (wide > 1 && high > 3) say(`"${words}" and "${others}" cover each other`);
      }
    }
  }
  return wrong;
})
"""


class Chromium:
    """A browser, spoken to through a pipe in the DevTools protocol."""

    def __init__(self, program, profile):
        to_read, self.to = os.pipe()
        self.answers, from_write = os.pipe()

        def as_3_and_4():
            # Past them first, as each may be the other's number.
            read, write = os.dup2(to_read, 20), os.dup2(from_write, 21)
            os.dup2(read, 3)
            os.dup2(write, 4)

        command = [program, *FLAGS, f"--user-data-dir={profile}"]
        self.process = subprocess.Popen(
            command, preexec_fn=as_3_and_4, close_fds=False, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(from_write)
        os.set_blocking(self.answers, False)
        self.waiting = b""
        self.number = 0
        self.events = []

    def call(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        return self.wait(lambda answer: answer.get("id") == self.number, method)

    def wait(self, wanted, what):
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            answer = self.next_answer()
            if answer is None:
                if self.process.poll() is not None:
                    raise RuntimeError(f"Chromium ended with {self.process.returncode}")
                time.sleep(0.01)
                continue
            if "method" in answer:
                self.events.append(answer)
            if wanted(answer):
                if "error" in answer:
                    raise RuntimeError(f"{what}: {answer['error']}")
                return answer.get("result", {})
        raise RuntimeError(f"Chromium does not answer: {what}")

    def next_answer(self):
        while b"\0" not in self.waiting:
            try:
                part = os.read(self.answers, 1 << 20)
            except BlockingIOError:
                return None
            if not part:
                return None
            self.waiting += part
        text, self.waiting = self.waiting.split(b"\0", 1)
        return json.loads(text)

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def check(browser, page, scheme, window, screenshots):
    """What is wrong with a page."""
    url = page.resolve().as_uri()
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ["Page", "Runtime", "Log", "Network"]:
        browser.call(f"{domain}.enable", session)
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.call("Emulation.setEmulatedMedia", session, features=media)
    width, height = WINDOWS[window]
    browser.call(
        "Emulation.setDeviceMetricsOverride", session, width=width, height=height, deviceScaleFactor=1, mobile=False
    )
    browser.events.clear()
    browser.call("Page.navigate", session, url=url)
    if not any(event["method"] == "Page.loadEventFired" for event in browser.events):
        browser.wait(lambda answer: answer.get("method") == "Page.loadEventFired", "loading")
    figures = FIGURES if page.name != "index.html" else ["delivery_ratio", "received_bytes_mean"]
    expression = f"({LOOK})({json.dumps(figures)})"
    answer = browser.call("Runtime.evaluate", session, expression=expression, returnByValue=True)
    if "exceptionDetails" in answer:
        raise RuntimeError(f"the check itself fails: {answer['exceptionDetails']}")
    wrong = list(dict.fromkeys(answer["result"]["value"]))
    for event in browser.events:
        params = event.get("params", {})
        if event["method"] == "Runtime.exceptionThrown":
            wrong.append(f"script error: {params['exceptionDetails']}")
        elif event["method"] == "Runtime.consoleAPICalled":
            wrong.append(f"console: {params['args']}")
        elif event["method"] == "Log.entryAdded":
            wrong.append(f"log: {params['entry']['text']}")
        elif event["method"] == "Network.requestWillBeSent" and params["request"]["url"] != url:
            wrong.append(f"it asks for {params['request']['url']}")
    if screenshots:
        expression = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        size = browser.call("Runtime.evaluate", session, expression=expression, returnByValue=True)["result"]["value"]
        clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
        shot = browser.call("Page.captureScreenshot", session, captureBeyondViewport=True, clip=clip)
        name = f"{page.resolve().parent.name}-{scheme}-{window}.png"
        screenshots.mkdir(parents=True, exist_ok=True)
        (screenshots / name).write_bytes(base64.b64decode(shot["data"]))
    browser.call("Target.closeTarget", targetId=target)
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="+", type=pathlib.Path, metavar="REPORT.html")
    parser.add_argument("--screenshots", type=pathlib.Path, metavar="DIR", help="put pictures of the pages there")
    args = parser.parse_args()
    program = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    if program is None:
        sys.exit("check-report.py: there is no Chromium; on Debian: apt-get install chromium")
    failed = False
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Chromium(program, profile)
        try:
            for page in args.reports:
                if not page.is_file():
                    sys.exit(f"check-report.py: there is no {page}")
                for scheme in SCHEMES:
                    for window in WINDOWS:
                        wrong = check(browser, page, scheme, window, args.screenshots)
                        failed = failed or bool(wrong)
                        print(f"{page} ({scheme}, {window}): {'wrong' if wrong else 'good'}")
                        for text in wrong[:20]:
                            print(f"  {text}")
        finally:
            browser.end()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
