"""The page on securing a listener: what it shows can be written like that, and it explains every note that there is."""

from __future__ import annotations

import re
import textwrap

import pytest

from casecart.listeners.mllp_settings import MllpSettings
from support.checkout import ROOT
from support.settings import findings_of

PAGE = (ROOT / "docs" / "how-to" / "secure-a-listener.md").read_text("utf-8")
BLOCKS = re.findall(r"```yaml\n(?:#[^\n]*\n)?or-mllp:\n  kind: mllp\n(.+?)```", PAGE, re.DOTALL)
SOURCES = [
    *(ROOT / "listeners" / "casecart" / "listeners").glob("*.py"),
    ROOT / "engine" / "casecart" / "runtime" / "handshake.py",
    ROOT / "engine" / "casecart" / "runtime" / "encrypted.py",
    ROOT / "engine" / "casecart" / "formats" / "proxy.py",
]
UNTOLD = {"tls-silent", "tls-wrong-certificate"}
"""The first leaves no record; the second is what a client says."""


def test_there_are_examples() -> None:
    assert len(BLOCKS) == 4


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_is_a_listener_without_findings(block: str) -> None:
    assert findings_of(MllpSettings, textwrap.dedent(block)) == []


def test_every_note_of_a_connection_is_explained() -> None:
    code = "".join(path.read_text("utf-8") for path in SOURCES)
    others = "no-peer|no-proxy|not-allowed|too-many(?:-of-peer)?|wrong-connection"
    given = set(re.findall(rf'"((?:tls|proxy)-[a-z0-9-]+|{others})"', code))
    explained = set(re.findall(r"`([a-z0-9-]+)`", PAGE.partition("| note |")[2]))
    assert given - UNTOLD <= explained
    assert {"tls-certificate", "proxy-missing", "no-peer", "too-many-of-peer"} <= given
