"""A FHIR server that calls over HTTP, with an engine at work and a channel as the page has it."""

from __future__ import annotations

import http.client
import re
from contextlib import closing
from typing import TYPE_CHECKING

from support.checkout import ROOT
from support.engine_process import EngineProcess, free_port

if TYPE_CHECKING:
    import pytest

    from support.user import User

HOW_TO = (ROOT / "docs" / "how-to" / "take-fhir.md").read_text("utf-8")
LISTENER, CHANNEL = (
    re.findall(rf"```yaml\n# {name}[^\n]*\n(.*?)```", HOW_TO, re.DOTALL)[0]
    for name in ("config/engine.yaml", "channels/fhir-procedures.yaml")
)
TOKEN = "a-token-of-sixteen-characters"
SAMPLE = "samples/fhir/procedure-hip-stem.json"


def called(port: int, body: bytes, token: str = TOKEN) -> int:
    """The status that a caller of the page's listener gets."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as server:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
        server.request("POST", "/ehr", body, headers)
        return server.getresponse().status


def test_implants_of_a_procedure_that_is_posted_are_taken_from_the_stock_once(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EHR_TOKEN", TOKEN)
    port = free_port()
    plain = re.sub(r"  (interface|tls): .*\n", "", LISTENER).replace("port: 8443", f"port: {port}")
    settings = user.ws / "config" / "engine.yaml"
    listener = "".join(f"  {line}\n" for line in plain.splitlines())
    settings.write_text(settings.read_text("utf-8").replace("\ndestinations:", f"{listener}\ndestinations:"), "utf-8")
    (user.ws / "channels" / "fhir-procedures.yaml").write_text(CHANNEL, "utf-8")
    assert user.run("check").returncode == 0
    body = (user.ws / SAMPLE).read_bytes()
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        assert [called(port, body, "another-token-of-no-peer"), called(port, body), called(port, body)] == [
            401,
            200,
            200,
        ]
        status = user.rest()
        engine.kill()
        engine.start()
        assert called(port, body) == 200
        status = user.rest()
        assert engine.stop() == 0
    assert sorted((each["item"], each["quantity"], each["serial"]) for each in user.handed_over) == [
        ("HIP-CUP-54", "1", "C-10120"),
        ("HIP-STEM-12", "1", "SN-4720"),
    ]
    assert status["balances"]["exact"] is True
    outcomes = {each["control_id"]: each["outcome"] for each in user.json("messages")["messages"]}
    assert outcomes == {"b-5101": "processed", "": "refused"}
