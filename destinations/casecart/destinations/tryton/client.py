"""Tryton's REST interface: reading and making records, and what its answers mean."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlencode

import msgspec

from casecart.runtime.destination import NotDelivered, OutcomeUnknown
from casecart.runtime.retry_after import retry_after

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from casecart.runtime.exchange import Client, Response

__all__ = ["NOT_PERMITTED", "Record", "Refused", "Rest", "Trouble", "day", "plain_words", "read_day", "understood"]

Record = dict[str, Any]

NOT_PERMITTED: Final = "not-permitted"
"""Code of the trouble that a model can't be read."""

PAGE: Final = 500
"""Records that are read in one request."""

_LONGEST_WORDS: Final = 300

_decode = msgspec.json.Decoder(Any, float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Refused(Exception):
    """Tryton refused a call, and nothing of it was done.

    Args:
        words: Tryton's own reason; empty where it gives none.
        failed: whether it rather failed in it, so that the same call may well be carried out the next time.
    """

    def __init__(self, words: str, *, failed: bool = False) -> None:
        super().__init__(words)
        self.words, self.failed = words, failed


class Trouble(Exception):
    """A call was not answered as it should be.

    Args:
        code: stable code.
        words: for the person who must act.
        done: whether the call may have been carried out.
        retry_after: seconds that Tryton asked for.
        permanent: it stays so until somebody mends it.
    """

    def __init__(
        self, code: str, words: str, *, done: bool, retry_after: float | None = None, permanent: bool = False
    ) -> None:
        super().__init__(words)
        self.code, self.words, self.done, self.retry_after = code, words, done, retry_after
        self.permanent = permanent


class Rest:
    """One database of a Tryton, seen by the user of an application key.

    Args:
        client: sends requests to the database's address.
        key: the application key.
        company: its number; Tryton does not take it from the user.
    """

    def __init__(self, client: Client, key: str, company: int) -> None:
        self._client, self._key, self._company = client, key, company

    async def find(
        self,
        model: str,
        domain: Sequence[object],
        fields: Sequence[str],
        *,
        context: Mapping[str, object] | None = None,
        order: Sequence[tuple[str, str]] = (),
        limit: int | None = None,
    ) -> list[Record]:
        """Records of a model, with fields by dotted path.

        Args:
            model: such as ``stock.lot``.
            domain: of Tryton.
            fields: ``code``, ``default_uom.symbol``.
            context: such as ``{"locations": [9]}``.
            order: field and ``ASC`` or ``DESC``.
            limit: how many at most; None: all, page by page.
        """
        found: list[Record] = []
        order = order or (("id", "ASC"),)
        while True:
            size = PAGE if limit is None else limit
            query = [("d", _packed(domain)), ("s", str(size)), ("p", str(len(found))), ("o", _packed(order))]
            query += [("f", field) for field in fields]
            try:
                page = await self._call("GET", f"/rest/model/{model}?{urlencode(query)}", None, context)
            except Refused as refusal:
                words = f"Tryton does not let the key's user read {model}: {refusal.words or 'it is forbidden'}."
                raise Trouble(NOT_PERMITTED, words, done=False, permanent=True) from refusal
            if not isinstance(page, list) or not all(isinstance(record, dict) for record in page):
                raise _not_understood(done=False)
            found += page
            if limit is not None or len(page) < size:
                return found

    async def create(self, model: str, values: Mapping[str, object], fields: Sequence[str]) -> Record:
        """A new record, with these of its fields."""
        return await self._record("POST", f"/rest/model/{model}?{_fields(fields)}", values)

    async def read(self, model: str, identifier: int, fields: Sequence[str]) -> Record:
        """A record's fields."""
        return await self._record("GET", f"/rest/model/{model}/{identifier}?{_fields(fields)}", None)

    async def act(self, model: str, identifier: int, action: str, fields: Sequence[str]) -> Record:
        """Press a button of a record; gives its fields after that."""
        return await self._record("POST", f"/rest/model/{model}/{identifier}/{action}?{_fields(fields)}", {})

    async def _record(self, method: Literal["GET", "POST"], path: str, body: Mapping[str, object] | None) -> Record:
        record = await self._call(method, path, body, None)
        if not isinstance(record, dict) or not isinstance(record.get("id"), int):
            raise _not_understood(done=method == "POST")
        return record

    async def _call(
        self,
        method: Literal["GET", "POST"],
        path: str,
        body: Mapping[str, object] | None,
        context: Mapping[str, object] | None,
    ) -> Any:  # noqa: ANN401 - whatever JSON holds
        headers = {
            "User-Agent": "casecart",
            "Accept": "application/json",
            "Authorization": f"bearer {self._key}",
            "X-Tryton-Context": _packed({"company": self._company, "companies": [self._company], **(context or {})}),
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        done = method == "POST"
        try:
            response = await self._client.send(method, headers, b"" if body is None else _encode(body), path)
        except NotDelivered as trouble:
            after, permanent = trouble.retry_after, trouble.permanent
            raise Trouble(trouble.code, trouble.words, done=False, retry_after=after, permanent=permanent) from trouble
        except OutcomeUnknown as trouble:
            raise Trouble(trouble.code, trouble.words, done=done) from trouble
        return understood(response, done=done)


def understood(response: Response, *, done: bool) -> Any:  # noqa: ANN401 - whatever JSON holds
    """What an answer says.

    Args:
        response: Tryton's, or that of something in its place.
        done: whether what was asked may have been carried out where the answer does not tell.

    Raises:
        Refused, Trouble: it was not carried out, or nobody knows.
    """
    status = response.status
    value = _json(response)
    if status == 200 and value is not None:  # noqa: PLR2004 - HTTP's
        return value
    if status == 200:  # noqa: PLR2004 - as above
        raise _not_understood(done=done)
    if status == 401:  # noqa: PLR2004 - as above
        words = "Tryton does not accept the application key: it is wrong, revoked, or was never validated there."
        raise Trouble("key-refused", words, done=False, permanent=True)
    if status in (400, 403):
        said = value.get("message") if isinstance(value, dict) else None
        # A page with 400 is what a call comes to that failed inside Tryton, such as by a lock that another one held.
        failed = status == 400 and value is None  # noqa: PLR2004 - as above
        raise Refused(plain_words(said) if isinstance(said, str) else "", failed=failed)
    if status in (429, 503):
        words = "Tryton is busy, and asks to be left alone for a while."
        raise Trouble(f"http-{status}", words, done=False, retry_after=retry_after(response.headers))
    if 300 <= status < 400:  # noqa: PLR2004 - as above
        words = f"The address answers {status}: it is at another one, and redirects are not followed."
        raise Trouble(f"http-{status}", words, done=False, permanent=True)
    if status == 404:  # noqa: PLR2004 - as above
        words = "Tryton has no such thing: look at the destination's url, and whether the module stock_lot is there."
        raise Trouble("http-404", words, done=False, permanent=True)
    raise Trouble(f"http-{status}", f"Tryton failed with status {status}; its log says why.", done=done)


def _not_understood(*, done: bool) -> Trouble:
    return Trouble(
        "answer-not-understood", "Something answers in Tryton's place, or in another way than it.", done=done
    )


def _json(response: Response) -> Any:  # noqa: ANN401 - whatever JSON holds
    if not response.whole or not response.headers.get("content-type", "").startswith("application/json"):
        return None
    try:
        return _decode(response.body)
    except (msgspec.DecodeError, RecursionError):
        return None


def plain_words(text: str) -> str:
    """Tryton's own words in one line."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text.replace("\u00a0", " "))
    return " ".join(plain.split())[:_LONGEST_WORDS]


def _packed(value: object) -> str:
    return base64.urlsafe_b64encode(_encode(value)).decode("ascii")


def _fields(fields: Sequence[str]) -> str:
    return urlencode([("f", field) for field in fields])


def day(value: date) -> Record:
    """A date as Tryton writes it."""
    return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}


def read_day(value: object) -> str:
    """A date of Tryton's as ISO 8601; empty where it is none."""
    if not isinstance(value, dict):
        return ""
    return "-".join(f"{value.get(part, 0):02}" for part in ("year", "month", "day"))
