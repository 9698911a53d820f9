"""The HTTP listener with a whole engine behind it: what is in the store when its sender is told so."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import pytest

from casecart.store import MessageFilter, migrate
from support.answered import Answered
from support.http_door import TOKEN, connected, notification, post, received
from support.http_door import Answered as Answer
from support.line import SECRET, write_workspace
from support.reactor import in_reactor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.listeners.http import HttpListener
    from casecart.store import Store

HTTP = "listeners:\n  ehr-http: {kind: http, port: 0, peers: {ehr: {facility: NORTH, token: {file: ehr.token}}}}\n"


@contextmanager
def running(root: Path, url: str) -> Iterator[tuple[Store, HttpListener]]:
    """An engine's store, and its HTTP listener."""
    write_workspace(root)
    settings = root / "config" / "engine.yaml"
    text = settings.read_text("utf-8").replace("listeners:\n", HTTP)
    settings.write_text(f"{text}store: {url}\n", "utf-8")
    (root / "ehr.token").write_text(TOKEN, "utf-8")
    for name in ("keys", "tokens"):
        (root / name).write_text(SECRET, "utf-8")
    migrate(url)
    made = in_reactor(Answered, root, url)
    in_reactor(made.start)
    try:
        yield made.store, cast("HttpListener", made.engine.listeners["ehr-http"])
    finally:
        in_reactor(made.stop)
    assert made.failed == []


def answers(listener: HttpListener, *requests: bytes) -> list[Answer]:
    """To requests on one connection."""
    with connected(listener) as sender:
        sender.sendall(b"".join(requests))
        return received(sender, len(requests))


def worked(store: Store) -> None:
    """Waits for what did not fit into the turn of its answer."""
    give_up = time.monotonic() + 20
    while any(in_reactor(store.waiting_counts).values()):
        assert time.monotonic() < give_up
        time.sleep(0.01)


def counts(store: Store) -> dict[str, int]:
    """Of the listener's messages."""
    found = Counter[str]()
    for count in in_reactor(store.counts):
        if count.scope == "messages:ehr-http":
            found[count.name] += count.amount
    return found


def test_what_is_answered_is_in_the_store_and_in_the_balance(tmp_path: Path, store_url: str) -> None:
    with running(tmp_path, store_url) as (store, listener):
        requests = [post(notification(1)), post(notification(2)), post(notification(1)), post(b"{")]
        assert [answer.status for answer in answers(listener, *requests)] == [200, 200, 200, 400]
        worked(store)
        rows = in_reactor(lambda: store.messages(MessageFilter(), None, 10))
        assert sorted((row.control_id, row.message_type, row.outcome) for row in rows) == [
            ("", "", "refused"),
            ("Subscription/s1#1", "Bundle", "unrouted"),
            ("Subscription/s1#2", "Bundle", "unrouted"),
        ]
        assert counts(store) == {"received": 4, "unrouted": 2, "duplicate": 1, "refused": 1}


def test_signs_of_life_are_marks_in_the_store_and_no_messages(tmp_path: Path, store_url: str) -> None:
    with running(tmp_path, store_url) as (store, listener):
        requests = [post(notification(0, "handshake")), *[post(notification(7, "heartbeat"))] * 3, post()]
        assert [answer.status for answer in answers(listener, *requests)] == [200] * 5
        marks = in_reactor(lambda: [each for each in store.cursors() if each.name.startswith("subscription:ehr-http:")])
        assert sorted((mark.name.count(":"), mark.epoch) for mark in marks) == [(2, 0), (3, 7)]
        assert all(mark.position > 0 for mark in marks)
        assert counts(store) == {}


@pytest.mark.timeout(60)
def test_every_fhir_file_of_the_corpus_is_taken_or_refused_with_an_operation_outcome(
    tmp_path: Path, corpus: Path
) -> None:
    files = sorted((corpus / "fhir").glob("*/*.json"))
    with running(tmp_path, f"sqlite:///{tmp_path}/casecart.db") as (store, listener):
        told = answers(listener, *(post(file.read_bytes()) for file in files))
        stored = counts(store)
    assert {answer.status for answer in told} <= {200, 400, 422}
    refused = [answer for answer in told if answer.status != 200]
    assert all(json.loads(answer.body)["resourceType"] == "OperationOutcome" for answer in refused)
    noted = sum(
        b'"handshake"' in data or b'"heartbeat"' in data or b'"query-status"' in data for data in map(read, files)
    )
    assert stored["received"] == len(files) - noted


def read(file: Path) -> bytes:
    """Its bytes."""
    return file.read_bytes()
