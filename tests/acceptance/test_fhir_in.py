"""A FHIR server that calls over HTTP, with an engine at work and a channel as the page has it."""

from __future__ import annotations

import http.client
import re
from contextlib import closing
from typing import TYPE_CHECKING

from support.checkout import ROOT
from support.engine_process import EngineProcess

if TYPE_CHECKING:
    import pytest

    from support.user import User

HOW_TO = (ROOT / "docs" / "how-to" / "take-fhir.md").read_text("utf-8")
LISTENER, CHANNEL = (
    re.findall(rf"```yaml\n# {name}[^\n]*\n(.*?)```", HOW_TO, re.DOTALL)[0]
    for name in ("config/engine.yaml", "channels/fhir-procedures.yaml")
)
TOKEN = "a-token-of-sixteen-characters"
SHIPPED = re.compile(r"  ehr-http:\n(?:    .*\n)+")
PROCEDURE, DELIVERY = "samples/fhir/procedure-hip-stem.json", "samples/fhir/supply-delivery-screws.json"
IMPLANTS = [("HIP-CUP-54", "1", "C-10120"), ("HIP-STEM-12", "1", "SN-4720")]


def called(port: int, body: bytes, token: str = "") -> int:
    """The status that a caller of the listener gets."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as server:
        shown = {"Authorization": f"Bearer {token}"} if token else {}
        server.request("POST", "/ehr", body, {"Content-Type": "application/fhir+json", **shown})
        return server.getresponse().status


def moved(user: User) -> list[tuple[str, str, str | None]]:
    """(item, quantity, serial number) of what was taken from the stock."""
    return sorted((each["item"], each["quantity"], each.get("serial")) for each in user.handed_over)


def test_what_a_server_on_this_machine_posts_is_taken_from_the_stock_by_the_shipped_channels(user: User) -> None:
    with EngineProcess(user.ws, None) as engine:  # it says that it runs when all its doors are open
        engine.start()
        for sample in (PROCEDURE, DELIVERY, PROCEDURE):
            assert called(user.http, (user.ws / sample).read_bytes()) == 200
        status = user.rest()
        assert engine.stop() == 0
    assert moved(user) == [*IMPLANTS, ("SCREW-65-30", "3", None)]
    assert status["balances"]["exact"] is True


def test_the_page_has_the_channel_that_is_shipped(user: User) -> None:
    shipped = (user.ws / "channels" / "fhir-procedures.yaml").read_text("utf-8")
    assert shipped.removeprefix("# yaml-language-server: $schema=../config/schema/channel.json\n") == CHANNEL


def test_implants_of_a_procedure_that_is_posted_are_taken_from_the_stock_once(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EHR_TOKEN", TOKEN)
    plain = re.sub(r"  (interface|tls): .*\n", "", LISTENER).replace("port: 8443", f"port: {user.http}")
    settings = user.ws / "config" / "engine.yaml"
    listener = "".join(f"  {line}\n" for line in plain.splitlines())
    text, replaced = SHIPPED.subn(listener, settings.read_text("utf-8"))
    assert replaced == 1
    settings.write_text(text, "utf-8")
    assert user.run("check").returncode == 0
    body = (user.ws / PROCEDURE).read_bytes()
    with EngineProcess(user.ws, None) as engine:
        engine.start()
        answers = [called(user.http, body, token) for token in ("another-token-of-no-peer", TOKEN, TOKEN)]
        assert answers == [401, 200, 200]
        status = user.rest()
        engine.kill()
        engine.start()
        assert called(user.http, body, TOKEN) == 200
        status = user.rest()
        assert engine.stop() == 0
    assert moved(user) == IMPLANTS
    assert status["balances"]["exact"] is True
    outcomes = {each["control_id"]: each["outcome"] for each in user.json("messages")["messages"]}
    assert outcomes == {"b-5101": "processed", "": "refused"}
