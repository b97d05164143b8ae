"""A headless Chromium, for the checks of pages. Needs Python's standard library and Chromium."""

import base64
import json
import os
import shutil
import subprocess
import sys
import time

DEADLINE_S = 60
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--remote-debugging-pipe",
]  # fmt: skip


def program():
    """The browser that is there, or the end."""
    found = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
    if found is None:
        sys.exit(f"{sys.argv[0]}: there is no Chromium; on Debian: apt-get install chromium")
    return found


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


class Page:
    """A tab, in a colour scheme and a window of a size."""

    def __init__(self, browser, scheme, size, scale=1):
        self.browser = browser
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(f"{domain}.enable")
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        width, height = size
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )
        browser.events.clear()

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def open(self, url):
        self.url = url
        self.call("Page.navigate", url=url)
        if not any(event["method"] == "Page.loadEventFired" for event in self.browser.events):
            self.browser.wait(lambda answer: answer.get("method") == "Page.loadEventFired", "loading")

    def value(self, expression):
        """What an expression of JavaScript comes to."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"the check itself fails: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def until(self, what, expression, deadline_s=DEADLINE_S):
        """Waits until an expression is true."""
        deadline = time.monotonic() + deadline_s
        while time.monotonic() < deadline:
            if self.value(f"Boolean({expression})"):
                return
            time.sleep(0.05)
        raise RuntimeError(f"not within {deadline_s} s: {what}")

    def click(self, expression):
        """Presses with the mouse on the middle of an element; what is over it would be hit instead."""
        point = self.value(
            f"(() => {{ const element = {expression}; element.scrollIntoView({{ block: 'center' }});"
            " const box = element.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        for kind in ["mousePressed", "mouseReleased"]:
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=point[0], y=point[1], button="left", buttons=1, clickCount=1
            )

    def complaints(self, is_own):
        """What scripts and the browser complained about, and what was asked for that is not the page's own."""
        wrong = []
        for event in self.browser.events:
            params = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                wrong.append(f"script error: {params['exceptionDetails']}")
            elif event["method"] == "Runtime.consoleAPICalled":
                wrong.append(f"console: {params['args']}")
            elif event["method"] == "Log.entryAdded":
                wrong.append(f"log: {params['entry']['text']}")
            elif event["method"] == "Network.requestWillBeSent" and not is_own(params["request"]["url"]):
                wrong.append(f"it asks for {params['request']['url']}")
        return wrong

    def picture(self, path, whole=True):
        """Saves what it looks like: all of it, or what the window shows."""
        params = {}
        if whole:
            size = self.value("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
            clip = {"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1}
            params = {"captureBeyondViewport": True, "clip": clip}
        shot = self.call("Page.captureScreenshot", **params)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
