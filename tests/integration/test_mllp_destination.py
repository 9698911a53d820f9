"""The MLLP destination against a real receiver that acknowledges rightly, wrongly, late, or not at all."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import hl7.mllp
import pytest
from twisted.internet.defer import Deferred, DeferredList, fail, succeed

from casecart.destinations.mllp import SPEC, MllpDestination, MllpSettings, control_id_of
from casecart.runtime.destination import (
    Answer,
    DestinationContext,
    NotDelivered,
    NotWritten,
    OutcomeUnknown,
    Posting,
    Written,
)
from casecart.runtime.tls import ServerTls, server_context
from support.certificates import Authority
from support.hl7_receiver import Receiver, Session, acknowledgement, field, receiving
from support.node_kit import SERVERS, NodeServer, needed
from support.reactor import in_reactor, reactor
from support.settings import findings_of, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from ssl import SSLContext

    from casecart.formats.hl7v2 import Delimiters
    from casecart.runtime.destination import Destination

Trouble = TypeVar("Trouble", NotDelivered, OutcomeUnknown)

PLANNED = 1_790_000_000_000_000


def posting(number: int = 0) -> Posting:
    made = Posting(f"{number:032x}.1", f"L{number}", 1, "FT1[1]", "charge", b"{}")
    made.history = [(PLANNED, "planned"), (PLANNED + 5_000_000, "sent")]
    return made


def control_id(number: int = 0) -> str:
    return control_id_of(posting(number).key)


class Writer:
    """Writes one segment, or fails."""

    def __init__(self) -> None:
        self.text = "FT1|1"
        self.disclosed = 0
        self.meanwhile: Callable[[], None] = lambda: None
        """What happens while the audit trail is written."""

    def write(self, posting: Posting, delimiters: Delimiters) -> Deferred[Written]:  # noqa: ARG002 - as the engine calls
        """The segment, whatever the posting is."""
        self.disclosed += 1
        self.meanwhile()
        if not self.text:
            return fail(NotWritten("missing", "There is no charge code."))
        return succeed(Written(("DFT", "P03", "DFT_P03"), "2.5.1", [self.text.replace("|", delimiters.field)]))


@contextmanager
def destination(port: int, root: Path, more: str = "", writer: Writer | None = None) -> Iterator[Destination]:
    more = more if "timeout:" in more.replace("idle_timeout:", "") else f"timeout: 2s\n{more}"
    text = f"host: 127.0.0.1\nport: {port}\nmapping: charge-dft\n{more}"
    settings = settings_of(MllpSettings, text)
    made = in_reactor(SPEC.make, DestinationContext("billing", settings, reactor, root, writer or Writer()))
    try:
        yield made
    finally:
        in_reactor(made.stop)


def post(made: Destination, number: int = 0) -> Answer:
    (answer,) = in_reactor(made.post, [posting(number)])
    assert isinstance(answer, Answer)
    return answer


def failing(kind: type[Trouble], made: Destination, number: int = 0) -> Trouble:
    with pytest.raises(kind) as trouble:
        in_reactor(made.post, [posting(number)])
    return trouble.value


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def acknowledge_all(waiting: list[tuple[Session, bytes]]) -> None:
    for session, message in waiting:
        session.say(acknowledgement(message))


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, int]]:
    with receiving() as both:
        yield both


def test_a_message_has_its_header_from_the_settings_and_its_control_id_from_the_key(
    receiver: tuple[Receiver, int], tmp_path: Path
) -> None:
    billing, port = receiver
    with destination(port, tmp_path, "header: {MSH-5: BILLING, MSH-6: MERCY^1.2.3^ISO}") as made:
        assert post(made) == Answer("posted", "acknowledged", control_id())
    expected = (
        f"MSH|^~\\&|CASECART||BILLING|MERCY^1.2.3^ISO|20260921141320+0000||DFT^P03^DFT_P03|{control_id()}|P|2.5.1"
    )
    assert billing.messages == [f"{expected}||||||UNICODE UTF-8\rFT1|1\r".encode()]
    assert len(control_id()) == 20


def test_messages_go_one_after_the_other_over_one_connection_that_stays_open(
    receiver: tuple[Receiver, int], tmp_path: Path
) -> None:
    billing, port = receiver
    with destination(port, tmp_path) as made:
        assert [post(made, number).state for number in range(20)] == ["posted"] * 20
    assert billing.control_ids == [control_id(number) for number in range(20)]
    assert billing.connections == 1


def test_connections_carry_one_message_each_at_a_time(receiver: tuple[Receiver, int], tmp_path: Path) -> None:
    billing, port = receiver
    waiting: list[tuple[Session, bytes]] = []
    billing.behave = lambda session, message: waiting.append((session, message))
    with destination(port, tmp_path, "connections: 3") as made:
        assert made.delivery.value == "blind"
        calls = in_reactor(lambda: [DeferredList([made.post([posting(number)]) for number in range(3)])])[0]
        until(lambda: len(waiting) == 3)
        assert len({session for session, _ in waiting}) == 3
        in_reactor(acknowledge_all, waiting[::-1])
        answers = [answer for _, (answer,) in in_reactor(lambda: calls)]
    assert [answer.reference for answer in answers] == [control_id(number) for number in range(3)]


# What the receiver says → what becomes of the posting, with its proof; the code for `accept` and so on.
@pytest.mark.parametrize(
    ("mode", "codes", "expected"),
    [
        ("application", ["AA"], ("posted", "acknowledged")),
        ("application", ["CA", "AA"], ("posted", "acknowledged")),  # more than was asked for
        ("application", ["AE"], ("held", "receiver-ae")),
        ("application", ["AR"], ("retry", "receiver-ar")),
        ("application", ["CA", "AE"], ("held", "receiver-ae")),
        ("accept", ["CA"], ("posted", "handed over")),
        ("accept", ["AA"], ("posted", "acknowledged")),  # many that are asked for CA say AA
        ("accept", ["CE"], ("retry", "receiver-ce")),
        ("accept", ["CR"], ("held", "receiver-cr")),
        ("both", ["CA", "AA"], ("posted", "acknowledged")),
        ("both", ["AA"], ("posted", "acknowledged")),
        ("both", ["CA", "AR"], ("retry", "receiver-ar")),
        ("both", ["CE"], ("retry", "receiver-ce")),
    ],
)
def test_each_code_of_each_mode_is_decided(
    receiver: tuple[Receiver, int], tmp_path: Path, mode: str, codes: list[str], expected: tuple[str, str]
) -> None:
    billing, port = receiver
    billing.behave = lambda session, message: session.say(*(acknowledgement(message, each) for each in codes))
    with destination(port, tmp_path, f"acknowledgement: {mode}") as made:
        answer = post(made)
    assert (answer.state, answer.proof or answer.code) == expected
    assert (field(billing.messages[0], "MSH", 15), field(billing.messages[0], "MSH", 16)) == {
        "application": ("", ""), "accept": ("AL", "NE"), "both": ("AL", "AL")
    }[mode]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "policy", "expected"),
    [
        (("AA", "MFA|MAD|1|20261121|S|SCREW"), "hold", ("posted", "", "")),
        (
            ("AA", "MFA|MAD|1|20261121|U^CANARY|SCREW"),
            "hold",
            ("held", "receiver-record", "(MFA-4), and named no error"),
        ),
        (("AA", "MFA|MAD|1|20261121|U|SCREW"), "retry", ("retry", "receiver-record", "(MFA-4), and named no error")),
        (("AE", "MFA|MAD|1|20261121|U|SCREW"), "hold", ("held", "receiver-ae", "answered AE, and named no error")),
        (("AR", ""), "hold", ("retry", "receiver-ar", "answered AR, and named no error")),
    ],
)
def test_an_answer_to_master_data_is_read_by_its_record_too(
    receiver: tuple[Receiver, int], tmp_path: Path, said: tuple[str, str], policy: str, expected: tuple[str, str, str]
) -> None:
    ehr, port = receiver

    def answer(session: Session, message: bytes) -> None:
        session.say(acknowledgement(message, said[0], more=said[1]).replace(b"ACK^P03^ACK", b"MFK^M16^MFK_M01"))

    ehr.behave = answer
    with destination(port, tmp_path, f"refused: {{AE: {policy}}}") as made:
        answered = post(made)
    assert (answered.state, answered.code) == expected[:2]
    assert expected[2] in answered.words
    assert "CANARY" not in repr(answered)


@pytest.mark.parametrize(("policy", "state"), [("hold", "held"), ("reject", "rejected"), ("retry", "retry")])
@pytest.mark.parametrize("code", ["AE", "AR"])
def test_the_policy_says_what_a_refusal_comes_to(
    receiver: tuple[Receiver, int], tmp_path: Path, code: str, policy: str, state: str
) -> None:
    billing, port = receiver
    billing.behave = lambda session, message: session.say(acknowledgement(message, code))
    with destination(port, tmp_path, f"refused: {{{code}: {policy}}}") as made:
        assert post(made).state == state


@pytest.mark.parametrize(
    ("segment", "words"),
    [
        ("ERR||FT1^1^7|103^Table value not found^HL70357|E||||CANARY", "(103 Table value not found at FT1-7)"),
        ("ERR|FT1^1^7^103&CANARY&HL70357", "(103 Table value not found at FT1-7)"),  # up to 2.4
        ("ERR||CANARY|101^CANARY|E", "(101 Required field missing)"),
        ("ERR||FT1^2^7^1^3|102|E", "(102 Data type error at FT1[2]-7.3)"),
        ("ERR||FT1^1|CANARY|E||||CANARY", ", and named no error"),
    ],
)
def test_a_refusal_is_told_without_the_receivers_own_words(
    receiver: tuple[Receiver, int], tmp_path: Path, segment: str, words: str
) -> None:
    billing, port = receiver
    billing.behave = lambda session, message: session.say(acknowledgement(message, "AE", more=segment))
    with destination(port, tmp_path) as made:
        answer = post(made)
    assert answer.words.startswith(
        f"The receiver answered AE {words}" if words[0] == "(" else f"The receiver answered AE{words}"
    )
    assert "CANARY" not in repr(answer)


def test_a_message_that_is_sent_again_has_the_same_control_id_and_the_same_bytes(
    receiver: tuple[Receiver, int], tmp_path: Path
) -> None:
    billing, port = receiver
    billing.behave = lambda session, _: session.transport.abortConnection()
    with destination(port, tmp_path) as made:
        failing(OutcomeUnknown, made)
        billing.behave = lambda session, message: session.say(acknowledgement(message))
        assert post(made).state == "posted"
    assert billing.messages[0] == billing.messages[1]


def mixed(session: Session, message: bytes) -> None:
    """All earlier ones again, one of nobody, and then ours: such servers are about."""
    earlier = [acknowledgement(each, "AE") for each in session.factory.messages[:-1]]
    session.say(*earlier, acknowledgement(message, "AR", control_id="SOMEBODY-ELSE"), acknowledgement(message))


def test_an_acknowledgement_of_another_message_is_passed_over(receiver: tuple[Receiver, int], tmp_path: Path) -> None:
    billing, port = receiver
    billing.behave = mixed
    with destination(port, tmp_path) as made:
        assert [post(made, number).state for number in range(5)] == ["posted"] * 5


def test_an_acknowledgement_that_comes_twice_is_not_taken_for_the_next_ones(
    receiver: tuple[Receiver, int], tmp_path: Path
) -> None:
    billing, port = receiver
    billing.behave = lambda session, message: session.say(acknowledgement(message), acknowledgement(message, "AE"))
    with destination(port, tmp_path) as made:
        assert [post(made, number).state for number in range(3)] == ["posted"] * 3


def test_only_an_acknowledgement_of_another_message_is_no_acknowledgement(
    receiver: tuple[Receiver, int], tmp_path: Path
) -> None:
    billing, port = receiver
    billing.behave = lambda session, message: session.say(acknowledgement(message, control_id="OTHER"))
    with destination(port, tmp_path, "timeout: 200ms") as made:
        assert failing(OutcomeUnknown, made).code == "timeout"


def test_a_late_acknowledgement_is_not_taken_for_that_of_the_next_try(
    receiver: tuple[Receiver, int], tmp_path: Path
) -> None:
    billing, port = receiver
    late: list[tuple[Session, bytes]] = []
    billing.behave = lambda session, message: late.append((session, message))
    with destination(port, tmp_path, "timeout: 200ms") as made:
        assert failing(OutcomeUnknown, made).code == "timeout"
        in_reactor(acknowledge_all, late)
        billing.behave = lambda session, message: session.say(acknowledgement(message, "AE"))
        assert post(made).state == "held"
    assert billing.connections == 2


def rubbish(data: bytes) -> Callable[[Session, bytes], None]:
    return lambda session, _: session.transport.write(data)


def closing(data: bytes) -> Callable[[Session, bytes], None]:
    def behave(session: Session, _: bytes) -> None:
        session.transport.write(data)
        session.transport.loseConnection()

    return behave


WHOLE = b"MSH|^~\\&|B||||20261121||ACK|1|P|2.5.1\rMSA|AA|"


@pytest.mark.parametrize(
    ("behave", "code"),
    [
        (rubbish(b"HTTP/1.1 400 Bad Request\r\n\r\n\x1c\r"), "answer-unreadable"),
        (rubbish(b"\x0bhello\r\x1c\r"), "answer-unreadable"),
        (rubbish(b"\x0b" + WHOLE[: WHOLE.index(b"MSA")] + b"\x1c\r"), "answer-unreadable"),  # no MSA
        (rubbish(b"\x0bMSH|^~\\&|\rMSA|XX|1\r\x1c\r"), "answer-unreadable"),  # no code of the table
        (rubbish(b"\x0b" + WHOLE + b"\r\x1c\r"), "answer-unreadable"),  # MSA-2 is empty
        (rubbish(b"\x0b" + WHOLE + b"1\r" + WHOLE + b"1\r\x1c\r"), "answer-unreadable"),  # two MSH in a frame
        (rubbish(b"\x0b" + b"x" * 1_100_000), "answer-unreadable"),  # without an end
        (rubbish(b"y" * 10_000), "answer-unreadable"),
        (rubbish(b"\x0b\x06\x1c\r"), "timeout"),  # MLLP release 2: its transport has it, and no more
        (rubbish(b"\x0b\x1c\r"), "timeout"),  # a keep-alive
        (rubbish(WHOLE + b"1\r"), "timeout"),  # without a frame
        (rubbish(b""), "timeout"),
        (closing(b""), "connection-lost"),
        (closing(b"\x0b" + WHOLE), "answer-cut-off"),
        (lambda session, _: session.transport.abortConnection(), "connection-lost"),
    ],
)
def test_whatever_is_no_acknowledgement_leaves_the_outcome_unknown(
    receiver: tuple[Receiver, int], tmp_path: Path, behave: Callable[[Session, bytes], None], code: str
) -> None:
    billing, port = receiver
    billing.behave = behave
    with destination(port, tmp_path, "timeout: 200ms") as made:
        trouble = failing(OutcomeUnknown, made)
        assert trouble.code == code
        assert "hello" not in trouble.words
        billing.behave = lambda session, message: session.say(acknowledgement(message))
        assert post(made, 1).state == "posted"  # over a connection of its own


@pytest.mark.parametrize("cut", range(1, 6))
def test_an_acknowledgement_may_come_in_pieces(receiver: tuple[Receiver, int], tmp_path: Path, cut: int) -> None:
    billing, port = receiver

    def dribble(session: Session, message: bytes) -> None:
        data = b"\r\n\x0b" + acknowledgement(message) + b"\x1c\r"
        pieces = [data[start : start + 7 * cut] for start in range(0, len(data), 7 * cut)]
        for number, piece in enumerate(pieces):
            reactor.callLater(number * 0.001, session.transport.write, piece)

    billing.behave = dribble
    with destination(port, tmp_path) as made:
        assert post(made).state == "posted"


def test_a_negative_commit_of_the_transport_means_that_it_was_not_taken(
    receiver: tuple[Receiver, int], tmp_path: Path
) -> None:
    billing, port = receiver
    billing.behave = rubbish(b"\x0b\x15\x1c\r")
    with destination(port, tmp_path) as made:
        assert failing(NotDelivered, made).code == "not-committed"


@pytest.mark.parametrize("behave", [rubbish(b""), closing(b"")])
def test_what_was_accepted_and_not_processed_is_a_persons_to_decide_where_it_might_double(
    receiver: tuple[Receiver, int], tmp_path: Path, behave: Callable[[Session, bytes], None]
) -> None:
    billing, port = receiver

    def accept(session: Session, message: bytes) -> None:
        session.say(acknowledgement(message, "CA"))
        behave(session, message)

    billing.behave = accept
    with destination(port, tmp_path, "acknowledgement: both\ntimeout: 300ms") as made:
        answer = post(made)
        assert (answer.state, answer.code, answer.unsure) == ("held", "accepted-only", True)
    with destination(port, tmp_path, "acknowledgement: both\ntimeout: 300ms\ndelivery: keyed") as made:
        failing(OutcomeUnknown, made)


def test_nothing_is_disclosed_as_long_as_there_is_no_connection(receiver: tuple[Receiver, int], tmp_path: Path) -> None:
    billing, port = receiver
    writer = Writer()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with destination(taken.getsockname()[1], tmp_path, writer=writer) as made:
            failing(NotDelivered, made)
    assert writer.disclosed == 0
    with destination(port, tmp_path, writer=writer) as made:
        assert post(made).state == "posted"
    assert (writer.disclosed, billing.connections) == (1, 1)


def test_a_connection_that_is_closed_while_the_audit_trail_is_written_is_not_used(
    receiver: tuple[Receiver, int], tmp_path: Path
) -> None:
    billing, port = receiver
    writer = Writer()
    with destination(port, tmp_path, writer=writer) as made:
        assert post(made).state == "posted"
        assert isinstance(made, MllpDestination)
        links = made._links

        def close() -> None:
            for link in [*links]:
                link.close()

        writer.meanwhile = close
        assert post(made, 1).state == "posted"
    assert (billing.control_ids, billing.connections) == ([control_id(0), control_id(1)], 2)


@pytest.mark.parametrize("text", ["", "FT1|\ud800"])
def test_a_connection_is_kept_when_a_message_could_not_be_written(
    receiver: tuple[Receiver, int], tmp_path: Path, text: str
) -> None:
    billing, port = receiver
    writer = Writer()
    with destination(port, tmp_path, writer=writer) as made:
        for number in range(3):
            writer.text = text
            assert post(made, number).state == "held"
            writer.text = "FT1|1"
            assert post(made, number + 10).state == "posted"
    assert billing.connections == 1


def test_nothing_was_sent_where_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with destination(free.getsockname()[1], tmp_path) as made:
            trouble = failing(NotDelivered, made)
    assert (trouble.code, trouble.permanent) == ("connection-refused", False)


def test_a_receiver_that_does_not_accept_connections_was_sent_nothing(tmp_path: Path) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for each in (first, second):
            each.setblocking(False)  # noqa: FBT003 - the signature is Python's
            each.connect_ex(full.getsockname())
        with destination(full.getsockname()[1], tmp_path, "timeout: 300ms") as made:
            assert failing(NotDelivered, made).code == "connect-timeout"


def test_a_connection_that_was_closed_meanwhile_is_found_before_a_message_is_lost_on_it(
    receiver: tuple[Receiver, int], tmp_path: Path
) -> None:
    billing, port = receiver
    with destination(port, tmp_path) as made:
        post(made)
        in_reactor(lambda: [session.transport.loseConnection() for session in list(billing.sessions)])
        assert post(made, 1).state == "posted"
    assert billing.connections == 2


def test_the_socket_tells_of_a_close_of_which_the_reactor_has_not_heard(
    receiver: tuple[Receiver, int], tmp_path: Path
) -> None:
    billing, port = receiver
    with destination(port, tmp_path) as made:
        post(made)

        def close_and_post() -> Deferred[Sequence[Answer]]:
            (session,) = billing.sessions
            session.transport.socket.shutdown(socket.SHUT_RDWR)  # in this very turn
            return made.post([posting(1)])

        (answer,) = in_reactor(close_and_post)
    assert answer.state == "posted"
    assert billing.control_ids == [control_id(0), control_id(1)]


def test_a_message_written_to_a_connection_that_is_cut_then_has_an_unknown_outcome(
    receiver: tuple[Receiver, int], tmp_path: Path
) -> None:
    billing, port = receiver
    with destination(port, tmp_path) as made:
        post(made)
        billing.behave = lambda session, _: session.transport.abortConnection()
        assert failing(OutcomeUnknown, made, 1).code == "connection-lost"


@pytest.mark.parametrize(("idle", "connections"), [("0s", 3), ("1m", 1)])
def test_an_idle_connection_is_kept_as_long_as_it_is_told(
    receiver: tuple[Receiver, int], tmp_path: Path, idle: str, connections: int
) -> None:
    billing, port = receiver
    with destination(port, tmp_path, f"idle_timeout: {idle}") as made:
        for number in range(3):
            post(made, number)
    assert billing.connections == connections


def test_an_idle_connection_is_closed_when_its_time_is_over(receiver: tuple[Receiver, int], tmp_path: Path) -> None:
    billing, port = receiver
    with destination(port, tmp_path, "idle_timeout: 50ms") as made:
        post(made)
        until(lambda: not billing.sessions)
        assert post(made, 1).state == "posted"


def test_noise_on_an_idle_connection_does_no_harm(receiver: tuple[Receiver, int], tmp_path: Path) -> None:
    billing, port = receiver
    with destination(port, tmp_path) as made:
        post(made)
        in_reactor(lambda: [session.transport.write(b"z" * 9_000) for session in list(billing.sessions)])
        until(lambda: not billing.sessions)  # who speaks like this is not listened to any more
        assert post(made, 1).state == "posted"


def test_what_cannot_be_written_is_held_and_nothing_is_sent(receiver: tuple[Receiver, int], tmp_path: Path) -> None:
    billing, port = receiver
    writer = Writer()
    with destination(port, tmp_path, "charset: 8859/1", writer) as made:
        writer.text = ""
        assert post(made) == Answer("held", code="missing", words="There is no charge code.")
        writer.text = "NTE|1||\u20ac"
        assert post(made).code == "not-in-charset"
        writer.text = "NTE|1||\u00e4"
        assert post(made).state == "posted"
    assert billing.connections == 1
    assert billing.messages[0].endswith(b"8859/1\rNTE|1||\xe4\r")


def test_the_delimiters_are_the_receivers(receiver: tuple[Receiver, int], tmp_path: Path) -> None:
    billing, port = receiver
    billing.behave = lambda session, message: session.say(
        acknowledgement(message, control_id=message.split(b"#")[9].decode())
    )
    with destination(port, tmp_path, "delimiters: '#*~!%'\nheader: {MSH-6: 'A^B#C'}") as made:
        assert post(made).state == "posted"
    assert billing.messages[0].startswith(b"MSH#*~!%#CASECART###A*B!F!C#")
    assert billing.messages[0].endswith(b"\rFT1#1\r")


def test_a_destination_that_is_stopped_gives_up_what_it_waits_for(
    receiver: tuple[Receiver, int], tmp_path: Path
) -> None:
    billing, port = receiver
    billing.behave = rubbish(b"")
    with destination(port, tmp_path) as made:
        call = in_reactor(lambda: [made.post([posting()])])[0]
        until(lambda: bool(billing.messages))
        in_reactor(made.stop)
        with pytest.raises(OutcomeUnknown):
            in_reactor(lambda: call)


@contextmanager
def python_hl7(certificates: SSLContext | None = None) -> Iterator[tuple[list[str], int]]:
    """The server of python-hl7, in a thread of its own; what it read of MSH-10, FT1-7 and NTE-3."""
    read: list[str] = []

    async def serve(reader: hl7.mllp.HL7StreamReader, writer: hl7.mllp.HL7StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                message = await reader.readmessage()
                read.extend([str(message["MSH.F10"]), message["FT1.F7.R1.C1"], str(message["NTE.F3"])])
                writer.writemessage(message.create_ack())
                await writer.drain()
        writer.close()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    started = hl7.mllp.start_hl7_server(serve, host="127.0.0.1", port=0, encoding="utf-8", ssl=certificates)
    server = asyncio.run_coroutine_threadsafe(started, loop).result(5)
    try:
        yield read, server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        time.sleep(0.05)  # its connections end by themselves
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


@pytest.mark.parametrize("over", ["tcp", "tls"])
def test_a_receiver_that_nobody_here_wrote_reads_what_was_meant_and_is_understood(tmp_path: Path, over: str) -> None:
    authority = Authority(tmp_path)
    context = secured(authority, tmp_path) if over == "tls" else None
    writer = Writer()
    writer.text = "FT1|||||||CH-1^Stem\rNTE|1||5 \\E\\ 10 mm \\F\\ ä"
    more = f"tls: {{authorities: {authority.file}}}" if context else ""
    with python_hl7(context) as (read, port), destination(port, tmp_path, more, writer) as made:
        assert [post(made, number) for number in range(3)] == [
            Answer("posted", "acknowledged", control_id(number)) for number in range(3)
        ]
    assert read == [text for number in range(3) for text in (control_id(number), "CH-1", "5 \\ 10 mm | ä")]


@pytest.mark.parametrize("library", SERVERS)
def test_each_message_gets_its_own_answer_of_a_server_that_loses_or_repeats_them(tmp_path: Path, library: str) -> None:
    # One answers each time all earlier messages again, others lose the second message of a packet.
    needed()
    with NodeServer(library) as server, destination(server.port, tmp_path, "timeout: 10s") as made:
        answers = [post(made, number) for number in range(5)]
        came = server.came()
    assert [answer.reference for answer in answers] == [control_id(number) for number in range(5)]
    assert {answer.state for answer in answers} == {"posted"}
    assert {each for number in range(5) for each in came if control_id(number) in each} == set(came)


def secured(authority: Authority, root: Path, *, names: str = "127.0.0.1", client: bool = False) -> SSLContext:
    papers = authority.issue("CN=billing,O=Mercy", names=(names,))
    text = f"certificate: {papers.certificate}\nkey: {{file: {papers.key}}}\n"
    if client:
        text += f"authorities: {authority.file}\n"
    return server_context(settings_of(ServerTls, text), root)


def test_messages_go_over_tls_to_a_receiver_that_is_known(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    papers = authority.issue("CN=casecart")
    more = f"tls: {{authorities: {authority.file}, certificate: {papers.certificate}, key: {{file: {papers.key}}}}}"
    secure = secured(authority, tmp_path, client=True)
    with receiving(context=secure) as (billing, port), destination(port, tmp_path, more) as made:
        assert [post(made, number).state for number in range(3)] == ["posted"] * 3
        assert billing.connections == 1
        in_reactor(lambda: [session.transport.loseConnection() for session in list(billing.sessions)])
        assert post(made, 4).state == "posted"


def test_a_certificate_that_was_renewed_is_shown_on_the_next_connection(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    papers = authority.issue("CN=casecart", file="own", lasts=timedelta(days=3))
    more = f"tls: {{authorities: {authority.file}, certificate: {papers.certificate}, key: {{file: {papers.key}}}}}"
    secure = secured(authority, tmp_path, client=True)
    with receiving(context=secure) as (billing, port), destination(port, tmp_path, more) as made:
        assert isinstance(made, MllpDestination)
        assert post(made, 1).state == "posted"
        assert made.certificate_ends == int(papers.x509.not_valid_after_utc.timestamp())
        for number, days in enumerate((90, None), 2):
            if days is not None:
                papers = authority.issue("CN=casecart", file="own", lasts=timedelta(days=days))
            else:
                papers.key.write_text("no key")
            in_reactor(lambda: [session.transport.loseConnection() for session in list(billing.sessions)])
            assert post(made, number).state == "posted"
            assert made.certificate_ends == int(papers.x509.not_valid_after_utc.timestamp())


@pytest.mark.parametrize(
    ("names", "more", "code"),
    [
        ("billing.example.org", "authorities: authority.pem", "tls-certificate"),  # of another host
        ("127.0.0.1", "", "tls-certificate"),  # of an authority that nobody trusts
        ("127.0.0.1", "authorities: authority.pem, server: {subject: 'CN=other'}", "tls-wrong-certificate"),
    ],
)
def test_nothing_is_sent_over_tls_to_a_receiver_that_is_not_known(
    tmp_path: Path, names: str, more: str, code: str
) -> None:
    with receiving(context=secured(Authority(tmp_path), tmp_path, names=names)) as (billing, port):
        with destination(port, tmp_path, f"tls: {{{more}}}") as made:
            trouble = failing(NotDelivered, made)
        assert (trouble.code, trouble.permanent, billing.messages) == (code, True, [])


def test_nothing_is_sent_to_a_receiver_that_speaks_no_tls(receiver: tuple[Receiver, int], tmp_path: Path) -> None:
    billing, port = receiver
    with destination(port, tmp_path, "tls: {}\ntimeout: 300ms") as made:
        trouble = failing(NotDelivered, made)
    assert (trouble.code, trouble.permanent) == ("tls-silent", False)
    assert billing.messages == []


def test_a_receiver_that_wants_a_certificate_is_told_apart(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with receiving(context=secured(authority, tmp_path, client=True)) as (billing, port):
        with destination(port, tmp_path, f"tls: {{authorities: {authority.file}}}") as made:
            assert failing(OutcomeUnknown, made).code == "tls-refused"
        assert billing.messages == []


@pytest.mark.parametrize(
    ("more", "finding"),
    [
        ("charset: UTF-16", "unknown-value"),
        ("charset: klingon", "unknown-value"),
        ("delimiters: '|^~'", "bad-format"),
        ("delimiters: '||~&%'", "bad-format"),
        ("delimiters: 'a^~\\&'", "bad-format"),
        ("refused: {AA: hold}", "bad-name"),
        ("header: {MSH-10: X}", "bad-name"),
        ("delivery: searchable", "unknown-value"),
    ],
)
def test_settings_that_cannot_work_are_found(more: str, finding: str) -> None:
    (found,) = findings_of(MllpSettings, f"host: billing\nport: 2576\nmapping: charge-dft\n{more}")
    assert f" error {finding} " in found


@pytest.mark.parametrize(
    ("host", "more", "warned"),
    [
        ("billing", "discloses: case", True),
        ("10.0.0.7", "discloses: case", True),
        ("10.0.0.7", "discloses: case\ntls: {}", False),
        ("10.0.0.7", "", False),
        ("127.0.0.1", "discloses: case", False),
        ("::1", "discloses: case", False),
        ("localhost", "discloses: case", False),
    ],
)
def test_identifiers_that_leave_in_plain_text_are_warned_of(host: str, more: str, warned: bool) -> None:  # noqa: FBT001 - a column
    found = findings_of(MllpSettings, f'host: "{host}"\nport: 2576\nmapping: charge-dft\n{more}')
    assert [" warning plain-text " in each for each in found] == [True] * warned
