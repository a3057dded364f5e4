# SPDX-License-Identifier: BSD-2-Clause
"""Headless Chromium over its debugging pipe (DevTools protocol: JSON, a zero byte behind each message)."""
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
import time


class Unavailable(Exception):
    """Chromium is not there, or cannot run here."""


class Browser:
    def __init__(self):
        program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        if program is None:
            raise Unavailable("Chromium is not installed")
        self.home = tempfile.TemporaryDirectory(prefix="ksms-page-")
        commands, self.commands = os.pipe()
        self.replies, replies = os.pipe()

        def numbers():  # 3 and 4 are what --remote-debugging-pipe reads and writes
            low, high = os.dup2(commands, 250), os.dup2(replies, 251)
            os.dup2(low, 3)
            os.dup2(high, 4)
            os.closerange(5, 256)
        self.log = open(self.home.name + "/log", "w+", encoding="utf-8", errors="replace")
        # --no-sandbox: as root there is no other way, and the page is ours.
        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--remote-debugging-pipe", "--user-data-dir=" + self.home.name + "/profile", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-extensions", "--no-proxy-server", "--hide-scrollbars", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, close_fds=False, preexec_fn=numbers,
            start_new_session=True, env={**os.environ, "HOME": self.home.name, "LANG": "C.UTF-8"})
        os.close(commands)
        os.close(replies)
        self.number = 0
        self.waiting = {}
        self.events = []               # (page, method, parameters)
        self.gone = False
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.call("Browser.getVersion", patience=20)
        except (Unavailable, OSError) as error:
            self.close()
            raise Unavailable(f"Chromium does not run here: {self.words}") from error

    def _read(self):
        rest = b""
        while chunk := os.read(self.replies, 1 << 16):
            *messages, rest = (rest + chunk).split(b"\0")
            for text in messages:
                message = json.loads(text)
                if "id" in message:
                    self.waiting.pop(message["id"]).put(message)
                else:
                    self.events.append((message.get("sessionId"), message["method"], message["params"]))
        self.gone = True
        for each in list(self.waiting.values()):
            each.put(None)

    def call(self, method, session=None, patience=15, **parameters):
        self.number += 1
        answer = self.waiting[self.number] = queue.Queue()
        message = {"id": self.number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        try:
            reply = answer.get(timeout=patience)
        except queue.Empty:
            reply = None
        if reply is None:
            raise Unavailable(f"{method}: no answer" + (", Chromium has ended" if self.gone else ""))
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply['error']['message']}")
        return reply["result"]

    def open(self, url, **size):
        return Page(self, url, **size)

    def close(self):
        self.log.flush()
        self.log.seek(0)
        self.words = " ".join(self.log.read().split())[-300:]
        try:
            self.waiting[0] = queue.Queue()
            os.write(self.commands, b'{"id":0,"method":"Browser.close"}\0')
            self.process.wait(timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self.process.pid, 9)  # its zygotes, where they live on
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()
        for _ in range(20):
            try:
                self.home.cleanup()
                return
            except OSError:                # one of its processes was writing still
                threading.Event().wait(0.05)


class Page:
    def __init__(self, browser, url, width=1440, height=1000, scheme="light"):
        self.browser = browser
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.target = target
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(domain + ".enable")
        self.size(width, height)
        self.scheme(scheme)
        self.call("Page.navigate", url=url)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=False)

    def scheme(self, name):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def run(self, expression):
        reply = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in reply:
            raise RuntimeError(json.dumps(reply["exceptionDetails"])[:600])
        return reply["result"].get("value")

    def until(self, expression, patience=10):
        """The first value of the expression that is true in JavaScript's eyes."""
        end = time.monotonic() + patience
        while True:
            try:
                value = self.run(expression)
            except RuntimeError as error:  # what it looks at may not be there yet
                value, why = None, error
            else:
                why = None
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"not within {patience} s: {expression} {why or ''}")
            threading.Event().wait(0.03)

    def key(self, name, modifiers=0):
        codes = {"Tab": 9, "Enter": 13, "ArrowDown": 40}
        for kind in ("keyDown", "keyUp"):
            more = {"text": "\r"} if name == "Enter" and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, modifiers=modifiers,
                      windowsVirtualKeyCode=codes[name], **more)

    def seen(self, *methods):
        return [parameters for session, method, parameters in list(self.browser.events)
                if session == self.session and method in methods]

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
