"""An EHR with FHIR that nobody here wrote: Medplum's router for its resources, and oidc-provider for its tokens."""

from __future__ import annotations

import json
import secrets
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from support.node_kit import PATIENCE, NodeProcess, needed

if TYPE_CHECKING:
    from support.client_key import ClientKey

__all__ = ["CLIENT", "SCOPES", "Answer", "Medplum", "SmartServer", "asked"]

CLIENT = "casecart"
SCOPES = "system/Procedure.rs system/Device.rs system/SupplyDelivery.rs system/Subscription.cruds"


class Answer(NamedTuple):
    """Of a server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """What it says."""
        read: dict[str, Any] = json.loads(self.body)
        return read


def asked(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    """What a server on loopback answers; a header's name has `_` in the place of `-`."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as server:
        server.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = server.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


class SmartServer(NodeProcess):
    """oidc-provider, with one client.

    Args:
        key: the client's.
        client: its name.
        lifetime: of a token, in seconds.
    """

    def __init__(self, key: ClientKey, *, client: str = CLIENT, lifetime: int = 300) -> None:
        needed()
        super().__init__("smart.cjs", client, SCOPES, str(lifetime), stdin=json.dumps(key.jwks).encode())
        self.url = f"http://127.0.0.1:{self.port}"

    def token_for(self, assertion: str, scope: str = SCOPES) -> Answer:
        """What its token endpoint answers."""
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }
        kind = "application/x-www-form-urlencoded"
        return asked(self.port, "POST", "/token", urlencode(form).encode(), Content_Type=kind)


class Medplum(NodeProcess):
    """Medplum's FHIR router; versions are no numbers, and what is updated has a later `meta.lastUpdated`.

    Args:
        smart: whose tokens it wants; None: it is open.

    Attributes:
        clerk: a token that is always good, for what people do in the EHR.
    """

    def __init__(self, smart: SmartServer | None = None) -> None:
        needed()
        self.clerk = secrets.token_hex(16)
        issuer = () if smart is None else (smart.url,)
        super().__init__("fhir.cjs", *issuer, environment={"CLERK": self.clerk})

    def ask(self, method: str, path: str, resource: object = None, token: str = "") -> Answer:
        """What it answers to a request below its base: `GET`, `Procedure/1`; without a token the clerk asks."""
        body = None if resource is None else json.dumps(resource).encode()
        kind = {} if body is None else {"Content_Type": "application/fhir+json"}
        return asked(self.port, method, f"/{path}", body, Authorization=f"Bearer {token or self.clerk}", **kind)

    def put(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Somebody documents; the resource with the version and the time that it has now."""
        answer = self.ask("PUT", f"{resource['resourceType']}/{resource['id']}", resource)
        assert answer.status == 200, answer
        return answer.json
