r"""A FHIR server in memory on a port of this machine, as a client of it sees one: kept as small as the tests allow.

It is written here, so it proves how our client behaves and not how servers of others do.

```python
with FhirSite() as site:
    site.put({"resourceType": "Procedure", "id": "p1", "status": "completed"})
    site.next(Reply(503, headers={"Retry-After": "2"}))  # the next request gets this, those after it don't
    site.route("GET", r"Subscription/(?P<id>[^/]+)/\$status", lambda asked: Reply.of({...}))
    ...  # a client asks at site.base
    assert [asked.path for asked in site.asked] == ["Procedure/p1"]
```

Its calls are made in the thread of the test, and what is asked is answered in the reactor's.
"""

from __future__ import annotations

import json
import re
import time
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

from twisted.internet import ssl
from twisted.web.resource import Resource as Leaf
from twisted.web.server import NOT_DONE_YET, Site

from support.fhir_search import found
from support.reactor import in_reactor, reactor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from support.certificates import Papers
    from support.fhir_tokens import Tokens

__all__ = ["Asked", "FhirSite", "Reply"]

FHIR_JSON = "application/fhir+json"


@dataclass(frozen=True)
class Asked:
    """A request that came.

    Attributes:
        path: behind the base and its slash, without the query; with a slash before it what is not below the base.
        query: names and values, in their order.
        headers: by name in lower case.
        groups: of the route's pattern.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def resource(self) -> Any:  # noqa: ANN401 - whatever JSON holds
        """The body, read."""
        return json.loads(self.body)

    def last(self, name: str) -> str:
        """The value of a parameter; empty where it is not there."""
        return dict(self.query).get(name, "")


@dataclass(frozen=True)
class Reply:
    """An answer, good or bad.

    Attributes:
        length: what is announced, where that is not the truth: the connection ends after the body. -1: nothing is
            announced, and the body comes in chunks.
        delay: seconds until it is sent.
        after: seconds between its head and its body.
        silent: it is never sent.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": FHIR_JSON})
    length: int | None = None
    delay: float = 0.0
    after: float = 0.0
    silent: bool = False

    @classmethod
    def of(cls, resource: Mapping[str, Any], status: int = 200, **headers: str) -> Self:
        """A resource; `_` in the headers' names stand for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status, json.dumps(resource).encode(), {"Content-Type": FHIR_JSON} | named)

    @classmethod
    def outcome(cls, status: int, code: str = "exception", **headers: str) -> Self:
        """An OperationOutcome, which says what nobody's log should."""
        issue = {"severity": "error", "code": code, "diagnostics": "Jane Made-Up, born 1970-01-01"}
        return cls.of({"resourceType": "OperationOutcome", "issue": [issue]}, status, **headers)


class FhirSite:
    """The server; a context manager.

    Args:
        path: of its base.
        version: of FHIR.
        papers: with which it speaks TLS, as `localhost`.
        page: entries of a page, where nothing else is asked for.
        now: µs since 1970.
        tokens: whom it lets in; None: everybody.

    Attributes:
        asked: the requests below and beside its base, in their order, but those for tokens and where they are given.
        port: its own.
    """

    def __init__(
        self,
        *,
        path: str = "/fhir/r4",
        version: str = "4.0.1",
        papers: Papers | None = None,
        page: int = 10,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
        tokens: Tokens | None = None,
    ) -> None:
        self.path, self.version, self.page, self.now = path, version, page, now
        self.asked: list[Asked] = []
        self.port = 0
        self.tokens = tokens
        self._papers = papers
        self._history: dict[tuple[str, str], list[dict[str, Any] | None]] = {}
        self._searches: list[tuple[list[dict[str, Any]], int]] = []
        self._routes: list[tuple[str, re.Pattern[str], Callable[[Asked], Reply]]] = []
        self._next: deque[tuple[re.Pattern[str], Reply]] = deque()
        self._listening: Any = None

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"https://localhost:{self.port}" if self._papers else f"http://127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        """The address that is configured of it."""
        return self.origin + self.path

    def put(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a resource, or a next version of it; as it is kept, with `meta`."""
        versions = self._history.setdefault((resource["resourceType"], resource["id"]), [])
        moment = datetime.fromtimestamp(self.now() / 1e6, UTC).isoformat(timespec="milliseconds")
        meta = {**resource.get("meta", {}), "versionId": str(len(versions) + 1), "lastUpdated": moment}
        kept = {**resource, "meta": meta}
        versions.append(kept)
        return kept

    def delete(self, kind: str, identifier: str) -> None:
        """Delete a resource; its versions stay."""
        self._history[kind, identifier].append(None)

    def current(self, kind: str, identifier: str) -> dict[str, Any] | None:
        """A resource as it is now; None: it is not, or not any more."""
        versions = self._history.get((kind, identifier))
        return versions[-1] if versions else None

    def next(self, *replies: Reply, where: str = "") -> None:
        """What the next requests are answered, one each; those whose path holds the pattern `where`.

        Those for tokens, and for where they are given, only if the pattern says so.
        """
        self._next.extend((re.compile(where), reply) for reply in replies)

    def route(self, method: str, pattern: str, handler: Callable[[Asked], Reply]) -> None:
        """Answer what no other does, or other than they do.

        Args:
            method: of HTTP.
            pattern: of the whole path behind the base; its named groups are in `Asked.groups`.
            handler: is called in the reactor's thread.
        """
        self._routes.insert(0, (method, re.compile(pattern), handler))

    def start(self) -> None:
        """Listen on a free port, or on the one that it had before."""
        leaf = _Leaf(self)
        site: Any = Site(leaf)
        if self._papers is None:
            self._listening = in_reactor(lambda: reactor.listenTCP(self.port, site, interface="127.0.0.1"))
        else:
            files = str(self._papers.key), str(self._papers.certificate)
            context = ssl.DefaultOpenSSLContextFactory(*files)
            self._listening = in_reactor(lambda: reactor.listenSSL(self.port, site, context, interface="127.0.0.1"))
        self.port = self._listening.getHost().port

    def stop(self) -> None:
        """Listen no more; who is connected stays it."""
        if self._listening is not None:
            in_reactor(self._listening.stopListening)
            self._listening = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def answer(self, asked: Asked) -> Reply:
        """What a request is answered."""
        about_tokens = self.tokens is not None and asked.path in {self.tokens.path, _WELL_KNOWN}
        if not about_tokens:
            self.asked.append(asked)
        for at, (where, reply) in enumerate(self._next):
            if where.search(asked.path) and (where.pattern or not about_tokens):
                del self._next[at]
                return reply
        if self.tokens is not None and about_tokens:
            endpoint = f"{self.origin}{self.tokens.path}"
            if asked.path == _WELL_KNOWN:
                return Reply(200, self.tokens.configuration(endpoint), _JSON)
            return Reply(*self.tokens.issue(asked.body, endpoint))
        if self.tokens is not None and asked.path != "metadata" and not self.tokens.good(asked.headers):
            return Reply.outcome(401, "login", WWW_Authenticate="Bearer")
        for method, pattern, handler in self._routes:
            if method == asked.method and (match := pattern.fullmatch(asked.path)):
                return handler(replace(asked, groups=match.groupdict("")))
        return self._usual(asked)

    def _usual(self, asked: Asked) -> Reply:
        parts = tuple(part for part in asked.path.split("/") if part)
        return (self._got(asked, parts) if asked.method == "GET" else self._changed(asked, parts)) or _UNKNOWN

    def _got(self, asked: Asked, parts: tuple[str, ...]) -> Reply | None:
        match parts:
            case ():
                return self._page(int(asked.last("_getpages") or -1), int(asked.last("_offset") or 0))
            case ("metadata",):
                return Reply.of({"resourceType": "CapabilityStatement", "fhirVersion": self.version})
            case (kind,):
                matches = [last for (type_, _), every in self._history.items() if type_ == kind and (last := every[-1])]
                size = int(asked.last("_count") or self.page)
                self._searches.append((found(matches, asked.query), size))
                return self._page(len(self._searches) - 1, 0)
            case (kind, identifier, *version):
                return self._read(asked, (kind, identifier), version)
        return None

    def _changed(self, asked: Asked, parts: tuple[str, ...]) -> Reply | None:
        match asked.method, parts:
            case "POST", (kind,):
                identifier = f"{kind.lower()}-{sum(type_ == kind for type_, _ in self._history) + 1}"
                made = self.put({**asked.resource, "id": identifier})
                return Reply.of(made, 201, Location=f"{self.base}/{kind}/{identifier}/_history/1")
            case "PUT", (_, _):
                return Reply.of(self.put(asked.resource))
            case "DELETE", (kind, identifier):
                self.delete(kind, identifier)
                return Reply(204, headers={})
        return None

    def _read(self, asked: Asked, name: tuple[str, str], version: list[str]) -> Reply:
        versions = self._history.get(name, [])
        number = int(version[1]) if len(version) == 2 and version[1].isdigit() else len(versions)
        if not 0 < number <= len(versions):
            return Reply.outcome(404, "not-found")
        resource = versions[number - 1]
        if resource is None:
            return Reply.outcome(410, "deleted")
        tag = f'W/"{number}"'
        if asked.headers.get("if-none-match") == tag:
            return Reply(304, headers={"ETag": tag})
        return Reply.of(resource, ETag=tag)

    def _page(self, search: int, start: int) -> Reply:
        if not 0 <= search < len(self._searches):
            return Reply.outcome(410, "not-found")
        resources, size = self._searches[search]
        links = [{"relation": "self", "url": self.base}]
        if start + size < len(resources):
            links.append({"relation": "next", "url": f"{self.base}?_getpages={search}&_offset={start + size}"})
        entries = [
            {
                "fullUrl": f"{self.base}/{each['resourceType']}/{each['id']}",
                "resource": each,
                "search": {"mode": "match"},
            }
            for each in resources[start : start + size]
        ]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(resources), "link": links}
        return Reply.of(bundle | ({"entry": entries} if entries else {}))


_WELL_KNOWN = ".well-known/smart-configuration"
_JSON = {"Content-Type": "application/json"}
_UNKNOWN = Reply.outcome(404, "not-supported")


class _Leaf(Leaf):
    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, site: FhirSite) -> None:
        super().__init__()
        self._site = site

    def render(self, request: Any) -> int:  # noqa: ANN401 - Twisted's, which has no types
        target = urlsplit(request.uri.decode("ascii"))
        base = self._site.path
        below = target.path == base or target.path.startswith(f"{base}/")
        headers = {
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        path = target.path[len(base) + 1 :] if below else target.path
        query = tuple(parse_qsl(target.query, keep_blank_values=True))
        asked = Asked(request.method.decode("ascii"), path, query, headers, request.content.read())
        reply = self._site.answer(asked)
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        if not reply.silent:
            reactor.callLater(reply.delay, _head, request, reply, gone)
        return NOT_DONE_YET


def _head(request: Any, reply: Reply, gone: list[object]) -> None:  # noqa: ANN401 - as above
    if gone:
        return
    request.setResponseCode(reply.status)
    for name, value in reply.headers.items():
        request.setHeader(name.encode("ascii"), value.encode("latin-1"))
    length = len(reply.body) if reply.length is None else reply.length
    if length >= 0:
        request.setHeader(b"Content-Length", b"%d" % length)
    if not reply.after:
        _body(request, reply, gone)
        return
    request.write(b"")
    reactor.callLater(reply.after, _body, request, reply, gone)


def _body(request: Any, reply: Reply, gone: list[object]) -> None:  # noqa: ANN401 - as above
    if gone:
        return
    request.write(reply.body)
    if reply.length is None or reply.length < 0 or reply.length == len(reply.body):
        request.finish()
    else:
        request.transport.loseConnection()
