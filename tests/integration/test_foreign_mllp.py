"""MLLP with clients and servers that nobody here wrote, the correct ones and those that get it wrong."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import hl7
import pytest
from hl7.mllp import start_hl7_server

from casecart.cli.sender import Address, Sender
from casecart.runtime.destination import Answer
from integration.test_mllp_destination import control_id, destination, post
from support import node_kit
from support.listening import message
from support.open_port import Turn, listening

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hl7.mllp import HL7StreamReader, HL7StreamWriter

MESSAGES = [message(f"N{number}", segments=[f"NTE|1||{'x' * 10 * number}"]) for number in range(12)]


@pytest.fixture
def _node() -> None:
    node_kit.needed()


@pytest.mark.usefixtures("_node")
@pytest.mark.parametrize("library", node_kit.CLIENTS)
def test_a_client_of_node_gets_each_answer_once_and_in_order_on_a_kept_connection(library: str) -> None:
    intake = Turn()
    with listening(intake) as listener:
        answers = node_kit.send(library, listener.port, MESSAGES)
    assert intake.control_ids == [f"N{number}" for number in range(12)]
    assert len({arrival.source for arrival in intake.arrivals}) == 1
    parsed = [hl7.parse(answer.replace("\n", "\r").strip() + "\r") for answer in answers]
    assert [str(answer["MSA.F2"]) for answer in parsed] == intake.control_ids
    assert {str(answer["MSA.F1"]) for answer in parsed} == {"AA"}
    assert len({str(answer["MSH.F10"]) for answer in parsed}) == 12


@pytest.mark.usefixtures("_node")
@pytest.mark.parametrize("library", node_kit.CLIENTS)
def test_a_client_of_node_is_told_that_its_message_is_rejected(library: str) -> None:
    with listening(Turn()) as listener:
        (answer,) = node_kit.send(library, listener.port, [message("N1", header=[(3, "NOBODY")])])
    assert str(hl7.parse(answer.replace("\n", "\r").strip() + "\r")["MSA.F1"]) == "AR"


@contextmanager
def python_hl7_server(received: list[str]) -> Iterator[int]:
    """A server of python-hl7, for one connection; the port."""
    served = asyncio.Event()
    started = threading.Event()
    ports: list[int] = []

    async def serve(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        try:
            while True:
                came = await reader.readmessage()
                received.append(str(came))
                writer.writemessage(came.create_ack())
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()
            await writer.wait_closed()
            served.set()

    async def run() -> None:
        async with await start_hl7_server(serve, host="127.0.0.1", port=0, encoding="utf-8", limit=1_000_000) as server:
            ports.append(server.sockets[0].getsockname()[1])
            started.set()
            await served.wait()

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert started.wait(10)
    yield ports[0]
    thread.join(10)


def test_what_we_send_is_answered_by_python_hl7s_server_on_one_connection() -> None:
    received: list[str] = []
    with python_hl7_server(received) as port, Sender(Address("127.0.0.1", port), 10.0) as sender:
        answers = [sender.send(body) for body in MESSAGES]
    assert [(answer.control_id, answer.code) for answer in answers] == [(f"N{number}", "AA") for number in range(12)]
    assert [body.encode() for body in received] == MESSAGES


@pytest.mark.usefixtures("_node")
@pytest.mark.parametrize("library", ["simple-hl7", "medplum"])
def test_what_we_send_one_by_one_is_answered_by_a_server_of_node_that_loses_the_second_of_two(library: str) -> None:
    # Both lose the second of two frames in one packet: with one in flight there is none.
    with node_kit.NodeServer(library) as server, Sender(Address("127.0.0.1", server.port), 10.0) as sender:
        answers = [sender.send(body) for body in MESSAGES]
        assert len(server.came()) == 12
    assert [(answer.control_id, answer.code) for answer in answers] == [(f"N{number}", "AA") for number in range(12)]


@pytest.mark.usefixtures("_node")
def test_an_answer_to_an_earlier_message_is_never_taken_for_this_ones() -> None:
    # node-hl7-server runs all earlier frames of a connection again, and acknowledges them again, before the new one.
    with node_kit.NodeServer("node-hl7-server") as server:
        with Sender(Address("127.0.0.1", server.port), 10.0) as sender:
            assert sender.send(MESSAGES[0]).code == "AA"
            second = sender.send(MESSAGES[1])
        with Sender(Address("127.0.0.1", server.port), 10.0) as again:
            third = again.send(MESSAGES[2])
    assert second.accepted == (second.code == "AA" and not second.words)
    if not second.accepted:
        assert second.words == "the answer is for another message (MSA-2 is not its control id)"
    assert (third.control_id, third.code) == ("N2", "AA")


@pytest.mark.usefixtures("_node")
@pytest.mark.parametrize("library", node_kit.SERVERS)
def test_a_destination_takes_each_posting_for_posted_by_its_own_acknowledgement_only(
    tmp_path: Path, library: str
) -> None:
    # The acknowledgements of node-hl7-server come again with each new message, before that one's.
    with node_kit.NodeServer(library) as server, destination(server.port, tmp_path, "timeout: 10s") as made:
        answers = [post(made, number) for number in range(6)]
        came = [str(hl7.parse(text.replace("\n", "\r"))["MSH.F10"]) for text in server.came()]
    assert answers == [Answer("posted", "acknowledged", control_id(number)) for number in range(6)]
    assert list(dict.fromkeys(came)) == [control_id(number) for number in range(6)]
