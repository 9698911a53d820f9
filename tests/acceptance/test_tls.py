"""An engine whose listener speaks TLS, as a hospital's network has it: taken, refused, renewed, shown."""

from __future__ import annotations

import re
import socket
import ssl
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from casecart.formats.mllp import frame
from support.certificates import Authority
from support.engine_process import EngineProcess
from support.user import SAMPLE, of_mllp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.user import User

TLS = """\
kind: mllp
    tls: {certificate: config/tls/server.pem, key: {file: config/tls/server.key}, authorities: config/tls/authority.pem}
"""


@pytest.fixture
def authority(user: User) -> Authority:
    """The hospital's; the listener has TLS, and two of its peers are bound to their certificates."""
    engine = user.ws / "config" / "engine.yaml"
    text = engine.read_text("utf-8").replace("kind: mllp\n", TLS)
    text = re.sub(r"(      (orsys|cabinet): .*facility: NORTH)\}", r"\1, certificate: {subject: \2}}", text)
    assert text.count("certificate: {subject") == 2
    engine.write_text(text, "utf-8")
    folder = user.ws / "config" / "tls"
    folder.mkdir()
    made = Authority(folder)
    made.issue("CN=casecart", file="server", lasts=timedelta(days=10))
    for name in ("orsys", "cabinet"):
        made.issue(f"CN={name}", file=name)
    return made


@contextmanager
def connected(user: User, name: str) -> Iterator[ssl.SSLSocket]:
    """A sender."""
    folder = user.ws / "config" / "tls"
    context = ssl.create_default_context(cafile=folder / "authority.pem")
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    with (
        socket.create_connection(("127.0.0.1", user.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as made,
    ):
        yield made


def sample(user: User) -> bytes:
    """The sample message, in a frame."""
    return frame((user.ws / SAMPLE).read_bytes().replace(b"\n", b"\r"))


def is_heard_without_a_certificate(user: User) -> bool:
    """Whether a sender that shows none gets an answer."""
    context = ssl.create_default_context(cafile=user.ws / "config" / "tls" / "authority.pem")
    try:
        with (
            socket.create_connection(("127.0.0.1", user.port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as made,
        ):
            made.sendall(sample(user))
            return bool(made.recv(1))
    except (ssl.SSLError, ConnectionError):
        return False


def listed(user: User) -> list[dict[str, Any]]:
    """The messages that were refused."""
    return [each for each in user.json("messages")["messages"] if each["notes"]]


def test_a_peer_is_processed_on_its_own_certificate_and_nobody_else_for_it(user: User, authority: Authority) -> None:
    checked = user.run("check")
    assert checked.returncode == 0
    assert "warning bad-certificate the certificate in config/tls/server.pem ends in" in checked.stdout
    with EngineProcess(user.ws, user.port) as engine:
        engine.start()
        with connected(user, "cabinet") as other:  # which says that it is orsys
            other.sendall(sample(user))
            assert b"MSA|AR|" in other.recv(65_536)
        assert not is_heard_without_a_certificate(user)
        with connected(user, "orsys") as good:
            good.sendall(sample(user))
            assert b"MSA|AA|" in good.recv(65_536)
        status = user.wait("certificate", "status", until=lambda now: of_mllp(now)["certificate_ends"] is not None)
        counts = of_mllp(status)["counts"]
        assert (counts["received"], counts["refused"], counts["duplicate"]) == (3, 2, 0)
        assert len(user.handed_over) == 1
        shown = user.run("status").stdout
        assert "certificate of or-mllp: ENDS IN 9 DAYS" in shown or "certificate of or-mllp: ENDS IN 10 DAYS" in shown
        refused = {each["notes"][0]: each for each in listed(user)}
        assert refused.keys() == {"wrong-connection", "tls-no-certificate"}
        for each in refused.values():
            assert user.run("message", "show", str(each["id"])).returncode == 0

        authority.issue("CN=casecart", file="server", lasts=timedelta(days=400))
        user.wait(
            "renewal",
            "status",
            until=lambda now: of_mllp(now)["certificate_ends"] > of_mllp(status)["certificate_ends"],
        )
        (user.ws / "config" / "tls" / "server.pem").write_text("nothing of use", "utf-8")
        end = time.monotonic() + 10
        while "the certificate stays as it was" not in engine.log:
            assert time.monotonic() < end
            time.sleep(0.05)
        with connected(user, "orsys") as good:  # the same message again is known, and acknowledged
            good.sendall(sample(user))
            assert b"MSA|AA|" in good.recv(65_536)
        assert engine.stop() == 0
        assert "Traceback" not in engine.log
    assert user.run("run").returncode == 3  # and what is broken at the start is refused
