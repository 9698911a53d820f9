"""Files that come to a folder, with an engine at work, and one that is killed at the worst moment."""

from __future__ import annotations

import random
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from casecart.store import MessageFilter, open_store
from support.engine_process import EngineProcess
from support.user import SAMPLE, User

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES, MESSAGES, KILLS = 300, 5, 8
MOST = FILES * MESSAGES

INBOX = """  inbox:
    kind: file
    folder: var/inbox
    settle: 0s
    peers:
      orsys: {match: {MSH-3: ORSYS, MSH-4: NORTH}, facility: NORTH}
"""

# Killed when all of a file is stored and acknowledged by the store, and before it is moved.
KILLED = """
import os, signal
from casecart.listeners.folder import Folder
Folder.put_away = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""


def until(condition: Callable[[], bool]) -> None:
    """Waits, for a machine with much to do as well."""
    give_up = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def with_inbox(user: User) -> Path:
    """The workspace gets a file listener, and its channel takes from it."""
    engine, channel = user.ws / "config" / "engine.yaml", user.ws / "channels" / "or-usage.yaml"
    engine.write_text(engine.read_text("utf-8").replace("\ndestinations:", f"{INBOX}\ndestinations:"), "utf-8")
    channel.write_text(channel.read_text("utf-8").replace("from: [or-mllp]", "from: [or-mllp, inbox]"), "utf-8")
    assert user.run("check").returncode == 0
    folder = user.ws / "var" / "inbox"
    folder.mkdir(parents=True)
    return folder


def test_a_file_is_posted_once_though_the_engine_is_killed_before_it_is_moved(user: User) -> None:
    inbox = with_inbox(user)
    sample = (user.ws / SAMPLE).read_bytes()
    (inbox / "one.hl7").write_bytes(sample)
    with EngineProcess(user.ws, None, name="killed", plant=KILLED) as killed:
        killed.launch()
        assert killed.wait(30) == -9
    assert (inbox / "one.hl7").exists()
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        (inbox / "two.tmp").write_bytes(b"BHS|^~\\&\r" + sample.replace(b"ORSYS-000001", b"ORSYS-2") + b"\rBTS|9\r")
        (inbox / "two.tmp").rename(inbox / "two.hl7")
        user.wait("files", "messages", until=lambda _: len(list(inbox.glob("*/*.hl7"))) == 2)
        status = user.rest()
        assert engine.stop() == 0
    assert f"inbox listens on {inbox} (file)\n" in engine.log
    assert "(batch)" in engine.log
    assert (inbox / "done" / "one.hl7").read_bytes() == sample
    assert (inbox / "failed" / "two.hl7.reason").read_text("utf-8").startswith("batch: ")
    assert status["balances"]["exact"] is True
    refused, taken = user.json("messages")["messages"]
    assert (taken["control_id"], taken["outcome"], taken["listener"]) == ("ORSYS-000001", "processed", "inbox")
    assert (refused["outcome"], refused["notes"]) == ("refused", ["batch"])
    assert len(user.handed_over) == 1
    assert "file:one.hl7[1]" in user.run("message", "show", "ORSYS-000001").stdout


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_of_many_files_each_message_is_taken_once_however_often_the_engine_is_killed(user: User) -> None:
    inbox = with_inbox(user)
    sample = (user.ws / SAMPLE).read_bytes()
    for number in range(FILES):
        bodies = [sample.replace(b"ORSYS-000001", b"F%d-%d" % (number, place)) for place in range(MESSAGES)]
        (inbox / f"{number:05}.hl7").write_bytes(b"\r".join(bodies))
    chance = random.Random(20261121)
    done = inbox / "done"
    done.mkdir()
    for _ in range(KILLS):
        with EngineProcess(user.ws, user.port) as engine:
            engine.start()
            enough = min(len(list(done.iterdir())) + chance.randrange(1, 40), FILES)
            until(lambda enough=enough: len(list(done.iterdir())) >= enough)  # type: ignore[misc]  # a default of its own
            time.sleep(chance.uniform(0.0, 0.05))
            engine.kill()
    left = len(list(inbox.glob("*.hl7")))
    with (
        EngineProcess(user.ws, user.port) as engine,
        closing(open_store(f"sqlite:///{user.ws}/var/casecart.db", role="reader")) as store,
    ):
        engine.start()
        until(lambda: not list(inbox.glob("*.hl7")))
        until(lambda: all(head.outcome != "waiting" for head in store.messages(MessageFilter(), None, 10 * MOST)))
        heads = store.messages(MessageFilter(), None, 10 * MOST)
        status = user.rest()
        assert engine.stop() == 0
    print(f"{left} of {FILES} files were left after {KILLS} kills")  # noqa: T201 - counts for `-rP`
    assert len(list((inbox / "done").iterdir())) == FILES
    assert not list((inbox / "failed").iterdir())
    assert status["balances"]["exact"] is True
    taken = sorted(head.control_id for head in heads)
    assert taken == sorted(f"F{number}-{place}" for number in range(FILES) for place in range(MESSAGES))
    assert {head.outcome for head in heads} == {"processed"}
