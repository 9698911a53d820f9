"""The file destination on the real reactor, its disk work in a thread."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from casecart.destinations.file import SPEC, FileSettings
from casecart.runtime.destination import Answer, Delivery, DestinationContext, NotDelivered, Posting
from support.reactor import in_reactor, reactor
from support.settings import settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from casecart.runtime.destination import Destination


def postings(count: int, revision: int = 1) -> list[Posting]:
    return [
        Posting(f"{number:032x}.{revision}", f"L{number}", revision, "FT1[1]", "consumption", b'{"n":%d}' % number)
        for number in range(count)
    ]


def destination(root: Path) -> Destination:
    settings = settings_of(FileSettings, "folder: var/inventory")
    return SPEC.make(DestinationContext("inventory", settings, reactor, root))


def test_a_batch_is_written_while_the_reactor_goes_on(tmp_path: Path) -> None:
    made = destination(tmp_path)
    assert made.delivery is Delivery.KEYED
    answers: Sequence[Answer] = in_reactor(made.post, postings(200))
    assert {(answer.state, answer.proof) for answer in answers} == {("posted", "read back")}
    folder = tmp_path / "var" / "inventory"
    assert len(list(folder.iterdir())) == 200
    assert (folder / f"{7:032x}.1.json").read_bytes() == b'{"n":7}'
    in_reactor(made.stop)


def test_the_disk_is_never_waited_for_in_the_reactors_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: set[int] = set()
    synchronise = os.fsync

    def watched(descriptor: int) -> None:
        threads.add(threading.get_ident())
        synchronise(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    in_reactor(destination(tmp_path).post, postings(3))
    assert len(threads) == 1
    assert in_reactor(threading.get_ident) not in threads


def test_two_batches_at_once_are_written_one_after_the_other(tmp_path: Path) -> None:
    made = destination(tmp_path)
    first, second = in_reactor(lambda: (made.post(postings(50)), made.post(postings(50))))
    in_reactor(made.stop)
    assert [len(in_reactor(lambda batch=batch: batch)) for batch in (first, second)] == [50, 50]


def test_trouble_reaches_the_dispatcher_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "var").write_bytes(b"")
    with pytest.raises(NotDelivered) as raised:
        in_reactor(destination(tmp_path).post, postings(1))
    assert raised.value.code == "folder-unusable"
