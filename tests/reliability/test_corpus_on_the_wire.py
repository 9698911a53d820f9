"""Messages that others wrote, through a real socket of a real engine: cut anywhere, coalesced, on several connections.

Each gets exactly one answer, the right one, in order and on its connection, and its stored bytes are those sent.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest

from casecart.store import open_store
from integration.test_corpus import REFUSED
from support.at_rest import rest, status
from support.engine_process import EngineProcess, free_port
from support.sink import Sink
from support.wire import Cutter, Expected, expected, head, know, peer_of, read
from support.workspace import Settings, write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SEED = 20261121
LOOKED_AT = {"joined-line", "not-a-segment", "segment-continued"}  # what was read as it was probably meant
SAMPLE = 100  # messages of the quick form


@pytest.fixture(scope="module")
def bodies(corpus: Path) -> dict[str, bytes]:
    """Every message of the corpus; none holds a byte that MLLP keeps for itself.

    A batch is left out: it is several messages, and answered by a batch (tests/unit/listeners/test_mllp_several.py).
    """
    folder = corpus / "hl7v2"
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.hl7"))}
    assert not [name for name, body in files.items() if {0x0B, 0x1C} & set(body)]
    return {name: body for name, body in files.items() if REFUSED.get(name) != "batch"}


def reason(name: str, body: bytes) -> str:
    """Why a message is refused; empty where it is taken."""
    msh = head(body)
    if name in REFUSED:
        return REFUSED[name]
    if msh is None:
        return "no-header"
    if not msh[10].strip():
        return "no-control-id"
    if msh.name(9) == b"ACK":
        return "acknowledgement"
    if peer_of(msh) is None:
        return "unknown-peer"
    lines = [line.split(msh[1]) for line in body.replace(b"\n", b"\r").split(b"\r") if line]
    cut = any(line[0] == b"DSC" and line[1].strip() and (line[2:3] > [b"F"] or line != lines[-1]) for line in lines)
    return "continued" if cut else ""  # a place among other parts that can't be


def answer(name: str, body: bytes) -> Expected | None:
    """What a message is answered with."""
    why = reason(name, body)
    msh = head(body)
    if msh is not None and why != "delimiters" and msh.name(9) == b"ACK":
        return None  # or two engines would never stop
    return expected(None if why in {"delimiters", "no-header"} else msh, taken=not why)


def through(root: Path, messages: dict[str, bytes], connections: int, chance: random.Random) -> str:
    """All of these messages through an engine; what was sent and what came, in a sentence."""
    store, port = f"sqlite:///{root}/casecart.db", free_port()
    names = list(messages)
    chance.shuffle(names)
    shares = [names[number::connections] for number in range(connections)]
    with Sink() as sink, ExitStack() as stack:
        workspace = write(root / "ws", Settings(store=store, port=port, destination=sink.url))
        know(workspace, messages.values())
        engine = stack.enter_context(EngineProcess(workspace, port))
        engine.start()
        senders = [
            stack.enter_context(Cutter(port, [messages[name] for name in share], random.Random(chance.random())))
            for share in shares
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        rest(store)
        assert status(workspace)["balances"]["exact"] is True
        assert engine.stop() == 0, engine.log
        assert "Traceback" not in engine.log, engine.log
    for share, sender in zip(shares, senders, strict=True):
        wanted = [each for name in share if (each := answer(name, messages[name])) is not None]
        assert list(map(read, sender.answers)) == wanted
    own = [identifier for sender in senders for identifier in map(_control_id, sender.answers)]
    assert len(set(own)) == len(own)
    _stored(store, messages, {sender.name: sender.bodies for sender in senders})
    return f"{len(names)} messages on {connections} connections: {len(own)} answers"


def _control_id(answered: bytes) -> bytes:
    msh = head(answered)
    assert msh is not None
    return msh[10]


def _stored(store: str, messages: dict[str, bytes], sent: dict[str, Sequence[bytes]]) -> None:
    """What is stored is what was sent, with the right reason where it was refused, in the order of each connection."""
    with closing(open_store(store, role="reader")) as reader:
        rows = reader.messages_after(0, 100_000)
    reasons = {body: reason(name, body) for name, body in messages.items()}
    assert {row.body for row in rows} == set(reasons)
    taken = [row for row in rows if not reasons[row.body]]
    assert {row.body: row.notes for row in rows if reasons[row.body]} == {
        body: why for body, why in reasons.items() if why
    }
    # The same bytes that come twice are one message. Others under the same control id are a message, and it is said.
    assert Counter(row.body for row in taken) == Counter(body for body, why in reasons.items() if not why)
    known: set[tuple[str, str]] = set()
    for row in taken:
        identity = (row.sender, row.control_id)
        notes = set((row.notes or "").split())
        if row.message_type == "DFT^P03":
            notes.discard("no-lines")  # a charge message without charges
        notes -= LOOKED_AT
        assert notes == ({"control-id-reused"} if identity in known else set())
        known.add(identity)
    for source, bodies_sent in sent.items():
        order = {body: number for number, body in reversed(list(enumerate(bodies_sent)))}
        places = [order[row.body] for row in taken if row.source == source]
        assert places == sorted(places)


def test_a_sample_of_the_corpus_cut_anywhere_is_answered_once_each_in_order_and_stored_as_sent(
    bodies: dict[str, bytes], tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    sample = {
        name: bodies[name]
        for name in [*chance.sample(sorted(bodies), SAMPLE), *(name for name in REFUSED if name in bodies)]
    }
    through(tmp_path, sample, 3, chance)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("connections", [1, 12])
def test_the_whole_corpus_cut_anywhere_is_answered_once_each_in_order_and_stored_as_sent(
    bodies: dict[str, bytes], tmp_path: Path, connections: int
) -> None:
    print(through(tmp_path, bodies, connections, random.Random(SEED)))  # noqa: T201 - a count of the reliability run
