#!/usr/bin/env python3
"""Opens reports of martlet-testnet in headless Chromium and looks whether a person could read them.

    .ci/check-report.py REPORT.html…
    .ci/check-report.py --screenshots DIR REPORT.html…

The page of a sweep is named index.html, and has at least one figure. Each is opened in light and dark, wide and as narrow as a phone. It fails if the page asks for anything, says anything
on the console, is wider than the window, lacks a figure, or if in a figure nothing is drawn, words are cut off, cover
each other or don't stand out. Needs Python's standard library and Chromium (Debian's package `chromium`).
"""

import argparse
import json
import pathlib
import sys
import tempfile

from browser import Chromium, Page, program

FIGURES = ["topology", "delivery", "latency", "bytes-per-node", "amplification", "mailbox"]
WINDOWS = {"wide": (1280, 900), "narrow": (400, 800)}
SCHEMES = ["light", "dark"]
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


def check(browser, page, scheme, window, screenshots):
    """What is wrong with a page."""
    url = page.resolve().as_uri()
    tab = Page(browser, scheme, WINDOWS[window])
    tab.open(url)
    figures = FIGURES if page.name != "index.html" else ["delivery_ratio", "received_bytes_mean"]
    wrong = list(dict.fromkeys(tab.value(f"({LOOK})({json.dumps(figures)})")))
    wrong += tab.complaints(lambda asked: asked == url)
    if screenshots:
        tab.picture(screenshots / f"{page.resolve().parent.name}-{scheme}-{window}.png")
    tab.close()
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="+", type=pathlib.Path, metavar="REPORT.html")
    parser.add_argument("--screenshots", type=pathlib.Path, metavar="DIR", help="put pictures of the pages there")
    args = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Chromium(program(), profile)
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
