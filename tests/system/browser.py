# SPDX-License-Identifier: MIT
"""A headless Chromium, told what to do by WebDriver (W3C), which chromedriver speaks over HTTP.

The browser has a profile of its own, and no network but the loopback address of its driver.
"""

import base64
import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

WATCHDOG = 120
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    "--no-default-browser-check",
)
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {
    "Enter": "\ue007",
    "ArrowDown": "\ue015",
    "ArrowUp": "\ue013",
    "Escape": "\ue00c",
    "Tab": "\ue004",
    "End": "\ue010",
    "Home": "\ue011",
    "Space": "\ue00d",
}


def missing():
    """Why there is no browser here; None: there is one."""
    for name in ("chromium", "chromedriver"):
        if not shutil.which(name):
            return f"{name} is not installed"
    return None


def loaded(path):
    """The page as it is when it counts as loaded, which is when pictures of it are taken."""
    with tempfile.TemporaryDirectory(prefix="browser-") as directory:
        done = subprocess.run(
            ["chromium", *FLAGS, f"--user-data-dir={directory}", "--dump-dom", f"file://{path}"],
            env={**os.environ, "HOME": directory},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=WATCHDOG,
            check=True,
        )
    return done.stdout.decode()


FONTS = Path("/usr/share/fonts")
FONTS_ONLY = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{0}/fonts</dir><cachedir>{0}/fontcache</cachedir></fontconfig>
"""


def fonts_named(stems):
    """The installed files of fonts that are called so, as DejaVuSans and DejaVuSans-Bold."""
    files = {path.stem: path for path in FONTS.rglob("*.[to]tf")}
    return [files[stem] for stem in stems if stem in files]


class Browser:
    """Use it as a context; windows are as large as the size says. Where files of fonts are given,
    there are no others."""

    def __init__(self, size=(1440, 900), scheme="light", fonts=()):
        self.size, self.scheme, self.fonts = size, scheme, fonts
        self.directory = tempfile.mkdtemp(prefix="browser-")
        self.driver = None

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def _start(self):
        environment = {
            **os.environ,
            "HOME": self.directory,
            "XDG_CONFIG_HOME": self.directory,
            "XDG_CACHE_HOME": self.directory,
        }
        if self.fonts:
            environment["FONTCONFIG_FILE"] = self._only_fonts()
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"],
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        port = None
        for line in self.driver.stdout:
            if match := re.search(r"successfully on port (\d+)", line):
                port = int(match[1])
                break
        assert port, "chromedriver did not start"
        self.http = http.client.HTTPConnection("127.0.0.1", port, timeout=WATCHDOG)
        arguments = [
            *FLAGS,
            f"--user-data-dir={self.directory}/profile",
            f"--window-size={self.size[0]},{self.size[1]}",
        ]
        answer = self._call(
            "POST",
            "/session",
            {
                "capabilities": {
                    "alwaysMatch": {
                        "browserName": "chrome",
                        "goog:chromeOptions": {"args": arguments},
                        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                    }
                }
            },
        )
        self.session = "/session/" + answer["sessionId"]
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=self.size[0],
            height=self.size[1],
            deviceScaleFactor=1,
            mobile=False,
        )
        self.set_scheme(self.scheme)

    def _only_fonts(self):
        folder = Path(self.directory) / "fonts"
        folder.mkdir()
        for path in self.fonts:
            (folder / path.name).symlink_to(path)
        configuration = Path(self.directory) / "fonts.conf"
        configuration.write_text(FONTS_ONLY.format(self.directory))
        return str(configuration)

    def close(self):
        try:
            if self.driver and getattr(self, "session", None):
                self._call("DELETE", self.session)
        finally:
            if self.driver:
                if hasattr(self, "http"):
                    self.http.close()
                self.driver.terminate()
                self.driver.wait()
                self.driver.stdout.close()
            shutil.rmtree(self.directory, ignore_errors=True)

    def _call(self, method, path, body=None):
        self.http.request(
            method,
            path,
            json.dumps(body) if body is not None else None,
            {"Content-Type": "application/json"},
        )
        value = json.loads(self.http.getresponse().read())["value"]
        if isinstance(value, dict) and "error" in value:
            raise AssertionError(f"{method} {path}: {value['error']}: {value.get('message')}")
        return value

    def cdp(self, command, **parameters):
        """A command of Chromium's own protocol."""
        return self._call(
            "POST", f"{self.session}/goog/cdp/execute", {"cmd": command, "params": parameters}
        )

    def resize(self, width, height=900):
        """The window, to so many pixels."""
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=False)
        self.settle()

    def set_scheme(self, scheme):
        self.cdp(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    def open(self, path, fragment=""):
        """Opens a report, and waits until it has read its records."""
        self._call("POST", f"{self.session}/url", {"url": "about:blank"})
        self._call("POST", f"{self.session}/url", {"url": Path(path).resolve().as_uri() + fragment})
        self.wait("document.documentElement.dataset.ready")

    def run(self, script, *arguments):
        """What the body of a function returns."""
        return self._call(
            "POST", f"{self.session}/execute/sync", {"script": script, "args": list(arguments)}
        )

    def value(self, expression):
        return self.run(f"return ({expression})")

    def wait(self, expression):
        """Until the expression is true."""
        return self._call(
            "POST",
            f"{self.session}/execute/async",
            {
                "script": f"""
            const done = arguments[0];
            const look = () => {{ const value = ({expression}); value ? done(value) : setTimeout(look, 10); }};
            look();""",
                "args": [],
            },
        )

    def settle(self):
        """Until what was begun is drawn."""
        self._call(
            "POST",
            f"{self.session}/execute/async",
            {
                "script": "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(arguments[0])))",
                "args": [],
            },
        )

    def press(self, *keys):
        """Keys, to whatever has the focus."""
        actions = []
        for key in keys:
            value = KEYS.get(key, key)
            actions += [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        self._call(
            "POST",
            f"{self.session}/actions",
            {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]},
        )
        self.settle()

    def type(self, text):
        self.press(*text)

    def click(self, selector):
        element = self._call(
            "POST", f"{self.session}/element", {"using": "css selector", "value": selector}
        )
        self._call("POST", f"{self.session}/element/{element[ELEMENT]}/click", {})
        self.settle()

    def go(self, fragment):
        """To another place in the page."""
        self.run("location.hash = arguments[0]", fragment)
        self.settle()

    def logs(self, kind):
        return self._call("POST", f"{self.session}/se/log", {"type": kind})

    def complaints(self):
        """What stands on the console."""
        return [entry["message"] for entry in self.logs("browser")]

    def requests(self):
        """What was asked of a network since the last time."""
        urls = []
        for entry in self.logs("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                urls.append(message["params"]["request"]["url"])
        return [url for url in urls if not url.startswith(("file:", "about:"))]

    def screenshot(self, path):
        image = self._call("GET", f"{self.session}/screenshot")
        Path(path).write_bytes(base64.b64decode(image))

    def pdf(self):
        page = {"width": 21.0, "height": 29.7}
        return base64.b64decode(
            self._call("POST", f"{self.session}/print", {"page": page, "background": True})
        )

    def names(self):
        """(role, name) of everything in the accessibility tree that is not ignored."""
        tree = self.cdp("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in tree
            if not node.get("ignored")
        ]
