"""Postings as HTTP requests to a REST service, many in one request.

The body is a JSON array of the payloads, or what the analyst's template makes of them. A status of 2xx (or one
that `accept` lists) takes all postings of the request. A service may answer for each with a JSON array of

    {"key": "…", "status": "posted", "reference": "its own id, optional", "message": "for people, optional"}

where `status` is `posted`, `rejected` (never as it is), `held` (a person must act first), `retry` (not now, and
without effect) or `unknown`. Nothing else of a response is read, and none of it is repeated.

Delivery: as `delivery` says. `keyed` is for a service that refuses a second posting with the `key` in its
payload, or in the header if `batch` is 1; a header for several postings is a digest of their keys, and a posting
may come again in other company. `searchable` is for one that can be asked for a key: after an unknown outcome a
posting is looked up when the settling time is over, and sent again if it is not there. What comes to light later than
that arrives twice: the settling time is the window. All other services are `blind`: after an unknown outcome a posting
is sent again and may arrive twice. A time-out after sending, a lost connection and 5xx other than 503 are unknown
outcomes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from urllib.parse import urlsplit

import msgspec
from twisted.internet.defer import Deferred, succeed

from casecart.destinations.searching import LookUp, Searching
from casecart.destinations.template import Template, TemplateProblem
from casecart.destinations.verdict import answers
from casecart.runtime.destination import (
    Answer,
    Delivery,
    DestinationContext,
    DestinationSpec,
    NotDelivered,
    OutcomeUnknown,
    Posting,
    Preview,
)
from casecart.runtime.exchange import Client
from casecart.runtime.probe import unfit
from casecart.workspace import (
    Declared,
    Duration,
    ExactlyOne,
    Finding,
    Rate,
    Secret,
    Text,
    WorkspaceError,
    declared,
    key,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from casecart.runtime.destination import Destination
    from casecart.runtime.probe import ProbeContext

__all__ = ["SPEC", "Body", "Header", "RestDestination", "RestSettings"]

_FIELD_NAME: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}"
_FIELD_FORM: Final = "a header's name, such as X-Site"

# Set by what sends the request, or by keys of their own.
_NOT_BY_HAND: Final = frozenset({"connection", "content-length", "content-type", "host", "transfer-encoding"})

_SECRET_HEADER: Final = re.compile(r"authorization|cookie|secret|password|api-?key|token$", re.IGNORECASE)


@declared(
    name="header",
    about="What a header says: a text, or a secret by reference.",
    rules=(ExactlyOne(("text", "env", "file")),),
    shorthand="text",
)
class Header(Declared):
    """What a header says; in YAML its text alone may be written instead of the block."""

    text: Text | None = key(
        about="The text itself.", example="NORTH", default=None, pattern=r"[ -~]*", form="ASCII in one line"
    )
    env: Text | None = key(
        about="The environment variable that holds a secret.", example="INVENTORY_TOKEN", default=None
    )
    file: Text | None = key(about="The file that holds a secret.", example="var/secrets/token", default=None)

    def value(self, environment: Mapping[str, str], root: Path) -> str:
        """The text; see `Secret.reveal` for what can go wrong."""
        if self.text is not None:
            return self.text
        return Secret(env=self.env, file=self.file, place=self.place).reveal(environment, root)


@declared(
    name="body",
    about="A Jinja2 template of the request's body.",
    rules=(ExactlyOne(("template", "file")),),
    shorthand="template",
)
class Body(Declared):
    """A template; in YAML its text alone may be written instead of the block."""

    template: Text | None = key(about="The template itself.", example='"{{ postings | json }}"', default=None)
    file: Text | None = key(
        about="The file that holds it, from the workspace on.",
        example="config/usage.xml.j2",
        default=None,
        names="file",
    )

    def check(self) -> Iterable[Finding]:
        """The template can be read."""
        if self.template is not None:
            try:
                Template(self.template)
            except TemplateProblem as problem:
                yield Finding(self.at("template"), "error", "bad-template", _told_of(problem))

    def read(self, root: Path, texts: Mapping[str, str]) -> Template:
        """The compiled template.

        Args:
            root: The workspace, from which its file is read; but for
            texts: files of the workspace that were read already.

        Raises:
            WorkspaceError: its file is not there or can't be read as a template.
        """
        try:
            if self.template is not None:
                return Template(self.template)
            file = cast("str", self.file)
            return Template(texts[file] if file in texts else (root / file).read_text("utf-8"))
        except TemplateProblem as problem:
            code, words = "bad-template", _told_of(problem)
        except (OSError, ValueError):
            code, words = "unreadable-file", "the template's file is not there, or is not UTF-8 text"
        raise WorkspaceError([Finding(self.at("file"), "error", code, words)])


@declared(name="rest destination", about="A service that takes postings as HTTP requests.")
class RestSettings(Declared):
    """What is written under `kind: rest`."""

    url: Text = key(
        about="Where the requests go. Redirects are not followed.",
        example="https://inventory.example.org/api/consumption",
        pattern=r"https?://[!-~]+",
        form="http:// or https://, a host, and a path without spaces",
    )
    method: Literal["POST", "PUT", "PATCH"] = key(about="The method of the requests.", example="PUT", default="POST")
    batch: int = key(
        about="How many postings a request carries at most.",
        example=1,
        default=100,
        minimum=1,
        maximum=10000,
    )
    concurrency: int = key(
        about="How many requests are under way at once. A key is only in one of them.",
        example=4,
        default=1,
        minimum=1,
        maximum=64,
    )
    rate: Rate | None = key(
        about=(
            "How many postings may go out in a second (`/s`), minute (`/m`) or hour (`/h`), however many go together; "
            "at once go those of one second. Without it, as many as it takes."
        ),
        example="10/s",
        default=None,
    )
    timeout: Duration = key(
        about="How long a request may take, from connecting to the end of the answer.",
        example="10s",
        default="30s",
        minimum="100ms",
        maximum="10m",
    )
    headers: Mapping[str, Header] = key(
        about="Headers of every request, by name: a text, or a secret by reference.",
        example="{X-Site: NORTH, Authorization: {env: INVENTORY_AUTHORIZATION}}",
        default="{}",
        entry_pattern=_FIELD_NAME,
        entry_form=_FIELD_FORM,
    )
    body: Body | None = key(
        about=(
            "A Jinja2 template of the request's body, or its file; without it the body is a JSON array of the "
            "payloads. `postings` are the payloads and the `kind` of each; with a batch of 1, `posting` is the only "
            "one. The filter `json` writes a value as JSON. A value that is missing is an error, unless the filter "
            "`default` stands behind it."
        ),
        example="{file: config/usage.xml.j2}",
        default=None,
    )
    content_type: Text = key(
        about="What the body is.",
        example="application/xml",
        default="application/json",
        pattern=r"[!-~][ -~]*",
        form="a media type, such as application/xml",
    )
    key_header: Text = key(
        about="The header that carries the posting's key; for several postings, a digest of their keys.",
        example="X-Request-ID",
        default="Idempotency-Key",
        pattern=_FIELD_NAME,
        form=_FIELD_FORM,
    )
    accept: tuple[Text, ...] = key(
        about=(
            "The statuses that mean: taken. A service that answers 409 to a posting that it has already is asked "
            "with [2xx, 409]."
        ),
        example="[2xx, 409]",
        default="[2xx]",
        scalar=True,
        at_least=1,
        pattern="[2-5]([0-9][0-9]|xx)",
        form="a status such as 201, or 2xx for all that begin so",
    )
    delivery: Literal["keyed", "searchable", "blind"] = key(
        about=(
            "`keyed` if the service refuses a second posting with the same key, so that an unknown outcome can be sent "
            "again without harm; `searchable` if it can be asked for a key, as `look_up` says; else `blind`."
        ),
        example="keyed",
        default="blind",
    )
    look_up: LookUp | None = key(
        about="With `delivery: searchable`: how the service is asked whether it has a posting.",
        example='{url: "https://inventory.example.org/api/consumption/{key}", settling: 30s}',
        default=None,
    )

    def check(self) -> Iterable[Finding]:
        """No secret stands in the file, no header is set twice, and what is searchable can be searched."""
        yield from self._check_search()
        try:
            parts = urlsplit(self.url)
            good = bool(parts.hostname) and parts.port != 0 and not parts.fragment
        except ValueError:
            yield Finding(self.at("url"), "error", "bad-format", "'url' has no host, or a port that is none")
            return
        if not good:
            yield Finding(self.at("url"), "error", "bad-format", "'url' needs a host, and goes without a '#'")
        if parts.username is not None:
            words = "'url' contains a user or password; send them in a header, as {env: NAME}"
            yield Finding(self.at("url"), "error", "secret-literal", words)
        for name, header in self.headers.items():
            place = name.place if isinstance(name, Text) else self.at("headers")
            if name.lower() in _NOT_BY_HAND | {self.key_header.lower()}:
                words = f"'{name}' is set by the engine; for some there is a key: content_type, key_header"
                yield Finding(place, "error", "bad-value", words)
            elif header.text is not None and _SECRET_HEADER.search(name):
                words = f"'{name}' looks like a secret; write {{env: NAME}} or {{file: PATH}}"
                yield Finding(place, "error", "secret-literal", words)

    def _check_search(self) -> Iterable[Finding]:
        searched = self.delivery == "searchable"
        if searched != (self.look_up is not None):
            words = "'look_up' and 'delivery: searchable' go together"
            yield Finding(self.at("delivery" if searched else "look_up"), "error", "one-of", words)
        if searched and self.batch != 1:
            words = "'delivery: searchable' needs 'batch: 1': each posting is stored, sent and looked up by itself"
            yield Finding(self.at("delivery"), "error", "bad-value", words)


def _make(context: DestinationContext) -> Destination:
    return RestDestination(context)


def _preview(context: DestinationContext, postings: Sequence[Posting]) -> Deferred[Sequence[Preview]]:
    settings = cast("RestSettings", context.settings)
    bodies = _Bodies(settings, context)
    found: list[Preview] = []
    for start in range(0, len(postings), settings.batch):
        together = postings[start : start + settings.batch]
        keys = [posting.key for posting in together]
        to = (
            f"{settings.method} {settings.url} ({settings.content_type}; {settings.key_header}: {_batch_key(together)})"
        )
        try:
            found.append(Preview(keys, to, bodies.of(together)))
        except TemplateProblem as problem:
            found.append(Preview(keys, to, b"", f"{_told_of(problem).capitalize()}.", TEMPLATE_ERROR))
    return succeed(found)


async def _probe(context: ProbeContext) -> None:
    """The service can be connected to, and asked for a posting that it can't have, where it is asked for any."""
    destination = RestDestination(
        DestinationContext(context.name, context.settings, reactor=context.reactor, root=context.root)
    )
    try:
        await destination.reach()
    except (NotDelivered, OutcomeUnknown) as trouble:
        raise unfit(trouble, context.settings.at("url")) from trouble
    finally:
        await destination.stop()


NO_KEY: Final = f"{0:032x}.1"
"""In the form of a posting's key, and the key of none."""

TEMPLATE_ERROR: Final = "template-error"

SPEC: Final = DestinationSpec(
    kind="rest",
    about="Sends postings to a REST service, many in a request.",
    settings=RestSettings,
    make=_make,
    preview=_preview,
    probe=_probe,
)


class _Bodies:
    """Writes the bodies of requests."""

    def __init__(self, settings: RestSettings, context: DestinationContext) -> None:
        self._template = None if settings.body is None else settings.body.read(context.root, context.texts)
        self._single = settings.batch == 1

    def of(self, postings: Sequence[Posting]) -> bytes:
        """The body of one. Raises `TemplateProblem`."""
        if self._template is None:
            return b"[" + b",".join([posting.payload for posting in postings]) + b"]"
        values = [{"kind": posting.kind, **_PAYLOAD.decode(posting.payload)} for posting in postings]
        return self._template.render({"postings": values, **({"posting": values[0]} if self._single else {})})


class RestDestination:
    """One service."""

    def __init__(self, context: DestinationContext) -> None:
        settings = cast("RestSettings", context.settings)
        self.delivery = Delivery(settings.delivery)
        self._settings = settings
        self._accept = frozenset(
            status
            for status in range(200, 600)
            for taken in settings.accept
            if taken in (str(status), f"{status // 100}xx")
        )
        self._bodies = _Bodies(settings, context)
        self._headers = {"User-Agent": "casecart", "Content-Type": str(settings.content_type)}
        for name, header in settings.headers.items():
            self._headers[name] = header.value(os.environ, context.root)
        connections, timeout = settings.concurrency, settings.timeout
        self._client = Client(context.reactor, settings.url, connections=connections, timeout=timeout)
        self._searching: Searching | None = None
        self.settling = 0.0
        if settings.look_up is not None:
            asking = {name: value for name, value in self._headers.items() if name != "Content-Type"}
            self.settling = settings.look_up.settling
            self._searching = Searching(
                context.reactor, settings.look_up, asking, connections=connections, timeout=timeout
            )

    def post(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Send one request; after a refusal that names no posting, one for each."""
        return Deferred.fromCoroutine(self._post(postings))

    def look_up(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Ask for each; never of keyed and blind destinations."""
        return Deferred.fromCoroutine(self._look_up(postings))

    async def reach(self) -> None:
        """Connect, and look up what is not there. Raises `NotDelivered` or `OutcomeUnknown`."""
        await self._client.reach()
        if self._searching is not None:
            await self._searching.ask(Posting(NO_KEY, "", 0, "", "", b""))

    def stop(self) -> Deferred[None]:
        """Close the connections; a request that is under way has its time-out."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self._client.close()
        if self._searching is not None:
            await self._searching.close()

    async def _look_up(self, postings: Sequence[Posting]) -> Sequence[Answer]:
        if self._searching is None:
            return [Answer("unknown") for _ in postings]
        return [await self._searching.ask(posting) for posting in postings]

    async def _post(self, postings: Sequence[Posting]) -> Sequence[Answer]:
        try:
            body = self._bodies.of(postings)
        except TemplateProblem as problem:
            if len(postings) > 1:
                return await self._each(postings)
            return [Answer("held", code=TEMPLATE_ERROR, words=f"{_told_of(problem).capitalize()}.")]
        headers = {**self._headers, self._settings.key_header: _batch_key(postings)}
        response = await self._client.send(self._settings.method, headers, body)
        said = answers(response, postings, self._accept)
        return await self._each(postings) if said is None else said

    async def _each(self, postings: Sequence[Posting]) -> Sequence[Answer]:
        """Each posting in a request of its own, until the service itself is in trouble."""
        said: list[Answer] = []
        for posting in postings:
            try:
                said += await self._post([posting])
            except (NotDelivered, OutcomeUnknown) as trouble:
                if not said and isinstance(trouble, NotDelivered):
                    raise
                words, after = f"Not sent yet. {trouble.words}", None
                if isinstance(trouble, NotDelivered):
                    after = trouble.retry_after
                else:
                    said.append(Answer("unknown", code=trouble.code, words=trouble.words))
                waiting = Answer("retry", code=trouble.code, words=words, tried=False, retry_after=after)
                return said + [waiting] * (len(postings) - len(said))
        if all(answer.code == "http-404" for answer in said):
            words = "The service answers 404 to everything: look at the destination's url."
            raise NotDelivered("http-404", words, permanent=True)
        return said


_PAYLOAD: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def _batch_key(postings: Sequence[Posting]) -> str:
    if len(postings) == 1:
        return postings[0].key
    return blake2b("\n".join([posting.key for posting in postings]).encode(), digest_size=16).hexdigest()


def _told_of(problem: TemplateProblem) -> str:
    return f"line {problem.line} of the body's template: {problem.words}"
