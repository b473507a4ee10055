"""A headless Chromium, spoken to over two pipes."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One tab of a browser. What goes wrong in it, and what it asks of whom, is kept.

    Args:
        folder: Place of its profile.
    """

    def __init__(self, folder: Path) -> None:
        (read, told), (heard, self._write) = os.pipe(), os.pipe()
        self._read = open(read, "rb")  # noqa: SIM115 - until it is closed
        command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command.append("--remote-debugging-pipe")
        # The browser reads from the descriptor 3 and writes to 4.
        shell = f'exec "$@" 3<&{heard} 4>&{told}'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", *command, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(heard, told),
            stderr=subprocess.DEVNULL,
        )
        os.close(heard)
        os.close(told)
        self._session: dict[str, str] = {}
        self._number = 0
        self._buffer = b""
        self.wrong: list[str] = []
        self.requests: list[str] = []
        (page,) = [each for each in self.call("Target.getTargets")["targetInfos"] if each["type"] == "page"]
        found = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = {"sessionId": found["sessionId"]}
        for domain in ("Runtime", "Log", "Network", "Page", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers to a command of its protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters} | self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            found = self._next()
            if found.get("id") == self._number:
                assert "error" not in found, found["error"]
                return dict(found["result"])
            self._note(found)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._read.fileno(), 1 << 16)
            assert part, "the browser has ended"
            self._buffer += part
        first, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(first))

    def _note(self, event: dict[str, Any]) -> None:
        method, values = event["method"], event["params"]
        if method == "Runtime.exceptionThrown":
            self.wrong.append(str(values["exceptionDetails"]))
        elif method == "Log.entryAdded" and values["entry"]["level"] in ("warning", "error"):
            self.wrong.append(str(values["entry"]["text"]) + str(values["entry"].get("url", "")))
        elif method == "Runtime.consoleAPICalled":
            self.wrong.append(str(values["args"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(str(values["request"]["url"]))

    def value(self, expression: str) -> Any:
        """The value of an expression of JavaScript in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, expression: str) -> Any:
        """The value of an expression once it is true."""
        for _ in range(1200):
            if value := self.value(expression):
                return value
            time.sleep(0.05)
        raise AssertionError(f"never true: {expression}; the page says {self.value('document.body.innerText')}")

    def open(self, address: str, width: int = 1100) -> None:
        """Opens a page in a window of a width; what went wrong before is forgotten."""
        self.wrong.clear()
        self.requests.clear()
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url=address)
        self.until(f"document.readyState === 'complete' && location.href.startsWith({json.dumps(address)})")

    def write(self, name: str, text: str) -> None:
        """Writes into a field of the page."""
        self.value(f"document.getElementById({json.dumps(name)}).value = {json.dumps(text)}")

    def choose(self, path: Path) -> None:
        """Chooses a file in the page."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def picture(self, path: Path) -> None:
        """Keeps the whole page as a PNG file."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        """Ends the browser."""
        self._process.terminate()
        self._process.wait()
        os.close(self._write)
        self._read.close()
