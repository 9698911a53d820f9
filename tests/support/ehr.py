"""An EHR with FHIR, and a user's engine that reads at it: Medplum's resources, oidc-provider's tokens, our sender."""

from __future__ import annotations

import itertools
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from support.engine_process import EngineProcess
from support.fhir_peer import CLIENT, SCOPES, Medplum, SmartServer
from support.rest_hook import delivered
from support.subscription import Post

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.client_key import ClientKey
    from support.rest_hook import RestHook
    from support.subscription import Content, Dialect, Subscription
    from support.user import User

__all__ = ["CUP", "STEM", "AtWork", "Ehr", "changed", "implants", "reading", "uses"]

TOKEN = "a-token-of-sixteen-characters"
PEER = ("networks: 127.0.0.0/8", "token: {file: var/secrets/ehr}")
SHIPPED = ("from: [ehr-http]\npeers: [ehr]\n", "from: [ehr]\n")
LISTENER = """\
  ehr:
    kind: fhir
    facility: NORTH
    server: {url: "BASE", version: VERSION, SERVER, authentication: {AUTHENTICATION}}
    hears: ehr-http/ehr
    searches: [Procedure]
    overlap: 0s
    grace: 200ms
"""
SMART = "smart: {client: CLIENT, key: {file: var/secrets/smart.pem}, key_id: KEY, scopes: [SCOPES]URL}"
PATIENCE = 30.0  # seconds
STEM, CUP = "HIP-STEM-12", "HIP-CUP-54"

numbers = itertools.count(1)


def implants(version: str = "R4") -> tuple[dict[str, Any], dict[str, Any]]:
    """A made-up device, and the procedure that implants it and a cup that is contained; their ids are new."""
    number = next(numbers)
    device = {
        "resourceType": "Device",
        "id": f"stem-{number}",
        "status": "active",
        "serialNumber": f"SN-{number}",
        "expirationDate": "2028-12-31",
    }
    carrier = {"carrierHRF": f"(01)00643169001763(17)281231(21)SN-{number}", "deviceIdentifier": "00643169001763"}
    cup = {"carrierHRF": f"(01)09521234543213(17)290630(10)CUP2604(21)C-{number}", "deviceIdentifier": "09521234543213"}
    issuer = {"issuer": "http://hl7.org/fhir/NamingSystem/gs1-di"} if version == "R5" else {}
    period = {"start": "2026-11-03T08:15:00-06:00", "end": "2026-11-03T10:40:00-06:00"}
    action = {"coding": [{"system": "http://hl7.org/fhir/device-action", "code": "implanted"}]}
    procedure = {
        "resourceType": "Procedure",
        "id": f"proc-{number}",
        "status": "completed",
        "subject": {"reference": "Patient/test-1"},
        "encounter": {"reference": f"Encounter/e-{number}", "identifier": {"value": f"V-{number}"}},
        "occurrencePeriod" if version == "R5" else "performedPeriod": period,
        "location": {"identifier": {"value": "OR-MAIN"}},
        "focalDevice": [
            {"action": action, "manipulated": {"reference": f"Device/stem-{number}"}},
            {"action": action, "manipulated": {"reference": "#cup"}},
        ],
        "contained": [{"resourceType": "Device", "id": "cup", "status": "active", "udiCarrier": [cup | issuer]}],
    }
    return device | {"udiCarrier": [carrier | issuer]}, procedure


class Ehr(NamedTuple):
    """Its servers."""

    key: ClientKey
    smart: SmartServer
    medplum: Medplum


class Posted(NamedTuple):
    """What the engine handed over."""

    action: str
    quantity: str
    item: str
    serial: str


class AtWork:
    """An engine that reads at the EHR, and what people see of both.

    Attributes:
        user: at a terminal.
        hook: the EHR as the engine sees it.
        engine: it runs.
    """

    def __init__(self, user: User, hook: RestHook, engine: EngineProcess, endpoint: str) -> None:
        self.user, self.hook, self.engine, self.endpoint = user, hook, engine, endpoint

    def subscribe(
        self, dialect: Dialect = "R4", content: Content = "id-only", heartbeat: int | None = None
    ) -> Subscription:
        """A subscription to procedures whose notifications the engine takes."""
        made = self.hook.subscribe(dialect, content, self.endpoint, f"Authorization: Bearer {TOKEN}", heartbeat)
        assert made.status == "active", self._found()
        return made

    def post(self, body: bytes, token: str = TOKEN, **headers: str) -> int:
        """The status that answers somebody who posts to the engine."""
        kind = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
        return delivered(Post("POST", self.endpoint, kind | headers, body))

    def operate(self, version: str = "R4") -> dict[str, Any]:
        """Somebody documents a device, and a procedure with it and a cup; the procedure as it is now."""
        device, procedure = implants(version)
        self.hook.document(device)
        return self.hook.document(procedure)

    @property
    def posted(self) -> list[Posted]:
        """In the order of the serial numbers, a use before what takes it back."""
        found = [Posted(*(str(each[name]) for name in Posted._fields)) for each in self.user.handed_over]
        return sorted(found, key=lambda each: (each.serial, each.action != "use"))

    def posts(self, *expected: Posted) -> None:
        """Waits until so much is posted, and nothing is on its way; it is that and nothing else."""
        give_up = time.monotonic() + PATIENCE
        while len(self.user.handed_over) < len(expected):
            assert time.monotonic() < give_up, self._found()
            time.sleep(0.02)
        status = self.user.rest()
        assert self.posted == sorted(expected, key=lambda each: (each.serial, each.action != "use"))
        assert status["balances"]["exact"] is True

    def _found(self) -> str:
        """What there is to see of a posting that did not come."""
        worklist = self.user.json("worklist", "list")
        sent = [status for _, status in self.hook.sent]
        return f"{self.posted}\n{worklist}\nsent: {sent}\nasked: {self.hook.asked}\n{self.engine.log[-3000:]}"

    def asked_for(self, *paths: str) -> list[str]:
        """Of what the engine asked the EHR, that which begins so."""
        return [each for each in self.hook.asked if each.startswith(paths)]


def uses(*procedures: dict[str, Any], action: str = "use") -> list[Posted]:
    """What the implants of procedures come to."""
    found = []
    for procedure in procedures:
        number = procedure["id"].removeprefix("proc-")
        found += [Posted(action, "1", STEM, f"SN-{number}"), Posted(action, "1", CUP, f"C-{number}")]
    return found


def changed(path: Path, change: tuple[str, str]) -> None:
    """A file of the workspace, with a text in the place of another that is in it."""
    text = path.read_text("utf-8")
    assert change[0] in text, change[0]
    path.write_text(text.replace(*change), "utf-8")


@contextmanager
def reading(
    user: User,
    ehr: Ehr,
    hook: RestHook,
    *,
    version: Literal["R4", "R4B", "R5"] = "R4",
    server: str = "timeout: 10s",
    token_url: bool = True,
) -> Iterator[AtWork]:
    """The user's engine reads at it; in the end it stops, and has nothing to complain about.

    Args:
        user: whose workspace it is.
        ehr: what plays it.
        hook: what stands before it.
        version: of FHIR.
        server: more of its settings.
        token_url: whether the engine is told where tokens are; else it asks the EHR.
    """
    (user.ws / "var" / "secrets" / "ehr").write_text(TOKEN, "utf-8")
    ehr.key.write(user.ws / "var" / "secrets" / "smart.pem")
    tokens = f', token_url: "{ehr.smart.url}/token"' if token_url else ""
    smart = SMART.replace("CLIENT", CLIENT).replace("KEY", ehr.key.name).replace("URL", tokens)
    smart = smart.replace("SCOPES", SCOPES.replace(" ", ", "))
    told = LISTENER.replace("BASE", hook.base).replace("VERSION", version).replace("SERVER", server)
    told = told.replace("AUTHENTICATION", smart)
    changed(user.ws / "config" / "engine.yaml", PEER)
    changed(
        user.ws / "config" / "engine.yaml",
        ("\ndestinations:", told.replace("AUTHENTICATION", smart) + "\ndestinations:"),
    )
    changed(user.ws / "channels" / "fhir-procedures.yaml", SHIPPED)
    checked = user.run("check")
    assert checked.returncode == 0, checked.stdout
    with EngineProcess(user.ws, None) as engine:  # it says that it runs when all its doors are open
        engine.start()
        yield AtWork(user, hook, engine, f"http://127.0.0.1:{user.http}/ehr")
        assert engine.stop() == 0
        assert "Traceback" not in engine.log
