"""`casecart send` to `casecart listen`'s receiver, over real sockets: what each says of what the other does."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import pytest

from casecart.cli.main import run
from casecart.cli.receiver import Received, Receiver
from casecart.cli.tls import TlsFiles, server_tls
from casecart.formats.mllp import frame
from support.certificates import Authority
from support.forked import CASECART
from support.listening import message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.cli.receiver import Reply


@contextmanager
def receiver(
    reply: Reply = "auto", delay: float = 0.0, count: int | None = None, tls: TlsFiles | None = None
) -> Iterator[tuple[str, list[Received]]]:
    """A receiver in a thread: its address, and what came."""
    came: list[Received] = []
    made = Receiver(
        "127.0.0.1",
        0,
        reply=reply,
        delay=delay,
        tls=server_tls(tls) if tls is not None else None,
        told=came.append,
        count=count,
    )
    thread = threading.Thread(target=made.serve)
    thread.start()
    try:
        yield f"127.0.0.1:{made.port}", came
    finally:
        made._over.set()
        thread.join(10)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three messages in a batch."""
    path = tmp_path / "three.hl7"
    path.write_bytes(b"BHS|^~\\&\r" + b"".join(message(f"M{number}") for number in range(3)) + b"BTS|3\r")
    return path


def sent(capsys: pytest.CaptureFixture[str], *typed: str) -> tuple[int, dict[str, Any]]:
    code = run(["send", *typed, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_what_is_sent_is_received_and_the_answers_are_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with receiver() as (address, came):
        code, document = sent(capsys, address, str(file))
    assert (code, document["to"], document["accepted"], document["trouble"]) == (0, address, 3, "")
    assert [told["code"] for told in document["messages"]] == ["AA", "AA", "AA"]
    assert [received.body for received in came] == [message(f"M{number}") for number in range(3)]
    assert {(received.problem, received.reply) for received in came} == {("", "AA")}


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        ("AE", 1, ""),
        ("AR", 1, ""),
        ("CE", 1, ""),
        ("CA", 0, ""),
        ("none", 5, "no answer within 0.3 s; nobody can say whether the receiver has the message"),
        ("close", 5, "the connection was closed without an answer"),
        ("garbage", 5, "no answer within 0.3 s"),
        ("late", 5, "no answer within 0.3 s"),  # it comes late
    ],
)
def test_each_way_to_answer_is_told_by_word_and_exit_code(
    file: Path, capsys: pytest.CaptureFixture[str], reply: Reply | Literal["late"], code: int, words: str
) -> None:
    with receiver("AA", 2.0) if reply == "late" else receiver(reply) as (address, _):
        ended, document = sent(capsys, "--to", address, str(file), "--timeout", "0.3")
    assert ended == code
    if code == 5:
        assert words in document["trouble"]
        assert document["trouble"].startswith(f"{file}[1]: ")
        assert document["not_answered"] == 3
    else:
        assert {told["code"] for told in document["messages"]} == {reply}
        assert document["not_answered"] == 0


def test_nobody_there_is_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    code, document = sent(capsys, f"127.0.0.1:{port}", str(file))
    assert code == 5
    assert "refuses the connection" in document["trouble"]


def test_several_connections_share_the_messages_and_each_is_sent_once(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiver(delay=0.02) as (address, came):
        code, document = sent(capsys, address, str(file), "--count", "20", "--new-ids", "--connections", "5")
    assert (code, document["accepted"]) == (0, 60)
    assert len({received.source for received in came}) == 5
    assert len({told["control_id"] for told in document["messages"]}) == 60


def test_a_rate_is_kept_over_all_connections(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with receiver() as (address, _):
        begun = time.monotonic()
        code, document = sent(capsys, address, str(file), "--count", "4", "--rate", "25", "--connections", "3")
        took = time.monotonic() - begun
    assert code == 0
    assert took >= 11 / 25
    assert document["seconds"] >= 11 / 25


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["127.0.0.1:2575"], "what is to be sent"),
        (["127.0.0.1:2575", "nowhere.hl7"], "nowhere.hl7"),
        (["127.0.0.1:99999", "nowhere.hl7"], "is no address"),
        (["{file}", "--cert", "{file}"], "--cert and --key go together"),
        (["{file}", "--fingerprint", "12:34"], "32 bytes"),
        (["{file}", "--ca", "{file}"], "holds no certificate"),
        (["{file}", "--rate", "0"], "--rate"),
    ],
)
def test_a_wrong_command_line_is_told_before_anything_is_sent(
    file: Path, capsys: pytest.CaptureFixture[str], typed: list[str], words: str
) -> None:
    assert run(["send", *[each.format(file=file) for each in typed]]) == 2
    assert words in capsys.readouterr().err


def test_a_capture_that_is_wrong_is_told_by_the_receiver_as_what_it_is() -> None:
    with receiver() as (address, came):
        host, port = address.split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n" + frame(b"PID|1\r") + b"\x0b" + message("1")[:30])
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65536)
            assert connection.recv(1) == b""  # it has seen the end
    assert b"MSA|AR|" in answer
    assert [received.problem.split(":")[0] for received in came] == ["noise", "no-header", "truncated"]


class Papers:
    """Certificates of a receiver and a sender, and the authority of both."""

    def __init__(self, folder: Path) -> None:
        authority = Authority(folder)
        self.receiver = authority.issue("CN=receiver", names=("127.0.0.1",))
        self.sender = authority.issue("CN=sender")
        self.ca = str(authority.file)
        self.tls = TlsFiles("", str(self.receiver.certificate), str(self.receiver.key), wanted=True)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """Made once."""
    return Papers(tmp_path_factory.mktemp("papers"))


def test_a_receiver_with_tls_is_known_by_its_authority_or_its_fingerprint(
    papers: Papers, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiver(tls=papers.tls) as (address, came):
        assert sent(capsys, address, str(file), "--ca", papers.ca)[0] == 0
        assert sent(capsys, address, str(file), "--fingerprint", papers.receiver.fingerprint)[0] == 0
        assert len(came) == 6
        code, document = sent(capsys, address, str(file), "--tls")
        assert (code, "is not trusted" in document["trouble"]) == (5, True)
        code, document = sent(capsys, address, str(file), "--fingerprint", papers.sender.fingerprint)
        assert (code, "another certificate" in document["trouble"]) == (5, True)
        code, document = sent(capsys, address, str(file), "--timeout", "2")
        assert code == 5  # plain to TLS
    assert not [received for received in came if not received.problem][6:]


def test_a_receiver_that_wants_a_certificate_takes_nobody_without_one(
    papers: Papers, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = ["--cert", str(papers.sender.certificate), "--key", str(papers.sender.key)]
    with receiver(tls=papers.tls._replace(ca=papers.ca)) as (address, came):
        assert sent(capsys, address, str(file), "--ca", papers.ca, *ours)[0] == 0
        code, document = sent(capsys, address, str(file), "--ca", papers.ca)
    assert code == 5
    assert document["trouble"]
    assert len([received for received in came if not received.problem]) == 3


def test_plain_mllp_where_tls_is_expected_is_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with receiver() as (address, _):
        code, document = sent(capsys, address, str(file), "--tls", "--timeout", "0.3")
    assert code == 5
    assert address in document["trouble"]


def test_the_command_shows_what_comes_keeps_it_and_ends_after_the_count(file: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    typed = [CASECART, "listen", "0", "--ack", "AE", "--count", "3", "--save", str(kept)]
    with subprocess.Popen(typed, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as listening:
        assert listening.stderr is not None
        said = listening.stderr.readline()
        port = said.split("127.0.0.1:")[1].split(";")[0]
        assert run(["send", port, str(file)]) == 1
        out, err = listening.communicate(timeout=20)
    assert listening.returncode == 0
    assert "3 messages came" in err
    assert out.count("answered AE") == 3
    assert "FT1-2" in out
    assert "Transaction ID" in out
    assert [path.read_bytes() for path in sorted(kept.iterdir())] == [message(f"M{number}") for number in range(3)]


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert run(["listen", str(taken.getsockname()[1])]) == 5
    assert "Address already in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    "typed",
    [["nowhere"], ["99999"], ["localhost:1"], ["1", "--delay", "soon"], ["1", "--ca", "x"], ["1", "--ack", "yes"]],
)
def test_a_wrong_line_for_the_receiver_is_told(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["listen", *typed]) == 2
    assert "Error: " in capsys.readouterr().err


def test_what_can_not_be_kept_ends_the_receiver_with_a_word(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "gone"
    ended: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    listening = threading.Thread(target=lambda: ended.append(run(["listen", str(port), "--save", str(folder)])))
    listening.start()
    until = time.monotonic() + 10
    while not folder.exists() and time.monotonic() < until:
        time.sleep(0.01)
    folder.rmdir()
    while listening.is_alive() and time.monotonic() < until:  # at first, nobody may listen yet
        run(["send", str(port), str(file), "--timeout", "1"])
        listening.join(0.05)
    listening.join(10)
    assert ended == [1]
    assert "can't be kept" in capsys.readouterr().err


def test_json_is_one_line_a_message(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from casecart.cli.listen import _Shown  # noqa: PLC0415 - only here, without a socket

    shown = _Shown(None, brief=False, json=True)
    shown.show(Received(1, "192.0.2.7:1", message("1"), "", "AA"))
    shown.show(Received(2, "192.0.2.7:1", b"PID|1\r", "no-header: None.", "AR"))
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["number"], first["answered"], first["content"]["parts"][0]["control_id"]) == (1, "AA", "1")
    assert second["problem"].startswith("no-header")
    assert (shown.messages, shown.problems) == (1, 1)
