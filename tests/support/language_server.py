"""A YAML language server, as editors have it: what it says of the files of a workspace.

`yaml-language-server` is what VS Code's YAML extension is, and what Neovim, Emacs, Helix and others start.
"""

from __future__ import annotations

import json
import subprocess
import threading
from contextlib import suppress
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any, Self

from support.node_kit import HOME, PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["LanguageServer"]

_SERVER = HOME / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"
_SETTINGS = {"yaml": {"schemaStore": {"enable": False}, "validate": True, "completion": True, "hover": True}}


class LanguageServer:
    """One server on one workspace; a context manager.

    Args:
        root: the folder that the editor has open.

    Attributes:
        root: the same.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._process = subprocess.Popen(
            ["node", str(_SERVER), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._said: Queue[dict[str, Any]] = Queue()
        self._number = self._shown = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        folder = {"uri": root.as_uri(), "name": root.name}
        asks = {"processId": None, "rootUri": root.as_uri(), "workspaceFolders": [folder], "capabilities": _ABLE}
        self._ask("initialize", asks)
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": _SETTINGS})

    def faults(self, file: str, text: str) -> list[tuple[int, str]]:
        """What it finds wrong in a file with this text: (line from 1, words)."""
        return self.faults_in({file: text})[file]

    def faults_in(self, texts: Mapping[str, str]) -> dict[str, list[tuple[int, str]]]:
        """The same of several files, by file."""
        waiting = {self._show(file, text): file for file, text in texts.items()}
        found: dict[str, list[tuple[int, str]]] = {}
        while waiting:
            said = self._next()
            if said.get("method") == "textDocument/publishDiagnostics":
                file = waiting.pop(said["params"]["uri"], "")
                faults = said["params"]["diagnostics"]
                found[file] = [(fault["range"]["start"]["line"] + 1, fault["message"]) for fault in faults]
        return found

    def completions(self, file: str, text: str) -> dict[str, str]:
        """What it offers where `|` stands in the text: label → what it is."""
        uri, position = self._at(file, text)
        offered = self._ask("textDocument/completion", {"textDocument": {"uri": uri}, "position": position})
        items = offered["items"] if isinstance(offered, dict) else offered or []
        return {item["label"]: _words(item.get("documentation")) for item in items}

    def hover(self, file: str, text: str) -> str:
        """What it explains where `|` stands."""
        uri, position = self._at(file, text)
        said = self._ask("textDocument/hover", {"textDocument": {"uri": uri}, "position": position})
        return "" if said is None else _words(said["contents"])

    def _at(self, file: str, text: str) -> tuple[str, dict[str, int]]:
        before, _, after = text.partition("|")
        lines = before.split("\n")
        return self._show(file, before + after), {"line": len(lines) - 1, "character": len(lines[-1])}

    def _show(self, file: str, text: str) -> str:
        """Opens it under a name that it never had: what is said later of an earlier text is no answer then."""
        self._shown += 1
        uri = (self.root / file).with_name(f"shown-{self._shown}.yaml").as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._tell("textDocument/didOpen", {"textDocument": document})
        return uri

    def _ask(self, method: str, params: object) -> Any:  # noqa: ANN401 - an answer of whatever shape
        self._number += 1
        self._write({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        wanted = self._number
        while True:
            said = self._next()
            if said.get("id") == wanted and "method" not in said:
                assert "error" not in said, said
                return said["result"]

    def _tell(self, method: str, params: object) -> None:
        self._write({"jsonrpc": "2.0", "method": method, "params": params})

    def _next(self) -> dict[str, Any]:
        """The next thing that it says; its own questions are answered."""
        try:
            said = self._said.get(timeout=PATIENCE)
        except Empty:
            raise AssertionError("the language server says nothing") from None
        if "method" in said and "id" in said:
            self._write({"jsonrpc": "2.0", "id": said["id"], "result": self._answer(said)})
        return said

    @staticmethod
    def _answer(said: dict[str, Any]) -> object:
        if said["method"] == "workspace/configuration":
            items: Sequence[dict[str, Any]] = said["params"]["items"]
            return [_SETTINGS.get(item.get("section", "")) for item in items]
        return None

    def _write(self, message: object) -> None:
        body = json.dumps(message).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        while line := stream.readline():
            size = 0
            while line.strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    size = int(value)
                line = stream.readline()
            if body := stream.read(size):
                self._said.put(json.loads(body))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()


_ABLE = {
    "textDocument": {
        "completion": {"completionItem": {"documentationFormat": ["markdown", "plaintext"]}},
        "hover": {"contentFormat": ["markdown", "plaintext"]},
        "publishDiagnostics": {},
    },
    "workspace": {"configuration": True},
}


def _words(said: object) -> str:
    if isinstance(said, dict):
        return str(said.get("value", ""))
    return str(said or "")
