"""The HTTP listener with a whole engine behind it: what is in the store when its sender is told so."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, cast

import pytest

from casecart.runtime.marks import subscription_mark
from casecart.store import MessageFilter
from support.answered import Answered
from support.http_door import TOKEN, connected, notification, post, received
from support.http_door import Answered as Answer
from support.line import SECRET, write_workspace
from support.plugin import installed
from support.reactor import in_reactor
from support.store import new_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from casecart.listeners.http import HttpListener
    from casecart.store import Store
    from support.hearing import Hearing

HTTP = "listeners:\n  ehr-http: {kind: http, port: 0, peers: {ehr: {facility: NORTH, token: {file: ehr.token}}}}\n"


@contextmanager
def engine(root: Path, url: str, listeners: str = HTTP) -> Iterator[Answered]:
    """A running engine."""
    write_workspace(root)
    settings = root / "config" / "engine.yaml"
    text = settings.read_text("utf-8").replace("listeners:\n", listeners)
    settings.write_text(f"{text}store: {url}\n", "utf-8")
    (root / "ehr.token").write_text(TOKEN, "utf-8")
    for name in ("keys", "tokens"):
        (root / name).write_text(SECRET, "utf-8")
    new_store(url)
    made = in_reactor(Answered, root, url)
    in_reactor(made.start)
    try:
        yield made
    finally:
        in_reactor(made.stop)
    assert made.failed == []


@contextmanager
def running(root: Path, url: str) -> Iterator[tuple[Store, HttpListener]]:
    """An engine's store, and its HTTP listener."""
    with engine(root, url) as made:
        yield made.store, cast("HttpListener", made.engine.listeners["ehr-http"])


def answers(listener: HttpListener, *requests: bytes) -> list[Answer]:
    """To requests on one connection."""
    with connected(listener) as sender:
        sender.sendall(b"".join(requests))
        return received(sender, len(requests))


def worked(store: Store) -> None:
    """Waits for what did not fit into the turn of its answer."""
    wait_until(lambda: not any(store.waiting_counts().values()))


def wait_until(so: Callable[[], bool]) -> None:
    """What becomes so by itself."""
    give_up = time.monotonic() + 20
    while not in_reactor(so):
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
        own = partial(subscription_mark, "ehr-http", "ehr", "Subscription/s1")
        assert {mark.name: mark.epoch for mark in marks} == {
            subscription_mark("ehr-http", "ehr"): 0, own(): 7, own(handshake=True): 0
        }  # fmt: skip
        assert all(mark.position > 0 for mark in marks)
        assert counts(store) == {}


def test_a_listener_is_given_what_the_peer_notifies_that_it_hears(tmp_path: Path, store_url: str) -> None:
    ehr = "  ehr: {kind: hearing, hears: ehr-http/ehr}\n"
    with installed(), engine(tmp_path, store_url, f"{HTTP}{ehr}") as made:
        store, listener = made.store, cast("HttpListener", made.engine.listeners["ehr-http"])
        hearing = cast("Hearing", made.engine.listeners["ehr"])
        assert [answer.status for answer in answers(listener, post(notification(1)), post(notification(2)))] == [
            200
        ] * 2
        worked(store)
        wait_until(hearing.notices.mine)
        given = in_reactor(lambda: hearing.notices.waiting(10))
        assert [message.control_id for message in given] == ["Subscription/s1#1", "Subscription/s1#2"]
        ended: list[str] = []
        in_reactor(lambda: hearing.notices.done(given[0], lambda: ended.append("first")))
        wait_until(lambda: bool(ended))
        assert [message.position for message in in_reactor(lambda: hearing.notices.waiting(10))] == [given[1].position]
        assert counts(store) == {"received": 2, "processed": 2}


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
