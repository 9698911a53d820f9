"""The bench measures what it says: no two messages are the same, its clocks are right, its yardstick answers."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time

import pytest
from twisted.internet.testing import StringTransport

from bench.bare_ack import BareAck
from bench.load import SIZE, Sender, load, percentiles
from bench.measurement import Row
from bench.process import cpu_seconds, family_cpu_seconds, resident_megabytes
from bench.table import generator_check, rows_table
from support.charge import charge, frame

ACK = b"\x0bMSH|^~\\&|||||||ACK|1|P|2.8.2\rMSA|AA|1\r\x1c\r"


class Receiver(threading.Thread):
    """Takes one connection, acknowledges some frames at a time, and keeps them all."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.taken = b""

    def run(self) -> None:
        chance = random.Random(1)
        answered = 0
        connection, _ = self._listening.accept()
        with self._listening, connection:
            while came := connection.recv(chance.randint(1, 40_000)):
                self.taken += came
                whole = len(self.taken) // SIZE
                connection.sendall(ACK * (whole - answered))
                answered = whole


@pytest.mark.parametrize("in_flight", [1, 16])
def test_no_two_messages_of_a_load_are_the_same(in_flight: int) -> None:
    receiver = Receiver()
    receiver.start()
    sender = Sender(7, receiver.port, in_flight)
    result = load([sender], in_flight, 0.2)
    sender.close()
    receiver.join()
    frames = receiver.taken.split(b"\x1c\r")[:-1]
    control_ids = [message.split(b"|", 10)[9].decode() for message in frames]
    assert len(frames) == 1 + result.messages  # the first one is the greeting
    assert len(set(control_ids)) == len(frames) > 20
    assert [message + b"\x1c\r" for message in frames] == [
        frame(charge(control_id, f"V{control_id[1:]}")) for control_id in control_ids
    ]


def test_percentiles_weigh_each_latency_by_its_messages() -> None:
    assert percentiles([(0.003, 1), (0.001, 98), (0.002, 1)], (0.5, 0.99, 1.0)) == [0.001, 0.002, 0.003]


def test_the_bare_ack_answers_each_frame_with_its_control_id_wherever_it_is_cut() -> None:
    stream = b"".join(frame(charge(f"M{number}", "V1")) for number in range(3))
    for cut in range(0, len(stream), 97):
        protocol, transport = BareAck(), StringTransport()
        protocol.makeConnection(transport)
        protocol.dataReceived(stream[:cut])
        protocol.dataReceived(stream[cut:])
        answers = transport.value().split(b"\x1c\r")[:-1]
        assert [answer.rpartition(b"|")[2] for answer in answers] == [b"M0\r", b"M1\r", b"M2\r"]


def test_the_cpu_of_a_process_is_read_from_outside() -> None:
    before, mine = cpu_seconds(os.getpid()), time.process_time()
    while time.process_time() < mine + 0.05:
        pass
    assert cpu_seconds(os.getpid()) - before == pytest.approx(time.process_time() - mine, abs=0.01)
    assert 1 < resident_megabytes(os.getpid()) < 10_000


def test_the_cpu_of_a_family_holds_its_children_also_when_they_have_ended() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    family = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", family], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        assert family_cpu_seconds(parent.pid) >= 0.29
        parent.communicate(b"\n")


def row(scenario: str, cpu: float, generator: float = 1.0) -> Row:
    return Row(
        scenario=scenario,
        senders=64,
        pipelined=False,
        store="none",
        tls=False,
        msgs_per_s=1000.0,
        cpu_us_per_msg=cpu,
        database_cpu_us_per_msg=0.0,
        generator_cpu_us_per_msg=generator,
        ack_p50_ms=1.0,
        ack_p99_ms=2.0,
        rss_mb=30.0,
    )


def test_the_table_shows_how_many_times_the_bare_ack_a_server_costs() -> None:
    table = rows_table([row("bare ACK", 10.0), row("whole path", 37.0)])
    assert "3.70" in table.splitlines()[2]


@pytest.mark.parametrize(("own", "verdict"), [(3.0, "enough"), (4.0, "TOO LITTLE")])
def test_a_load_generator_that_is_not_three_times_as_fast_is_told(own: float, verdict: str) -> None:
    told = generator_check([row("null", 1.0, own)], [row("bare ACK", 10.0), row("whole path", 37.0)])
    assert verdict in told
