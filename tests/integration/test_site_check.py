"""`casecart check --env`: what is told of the machine, the store and what is asked over the network."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
import time
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest
import sqlalchemy
from twisted.internet.defer import Deferred

from casecart.cli.site_check import answers
from casecart.commands.configured import read_engine
from casecart.commands.site_check import asked_of, here
from casecart.store import migrate, open_store
from casecart.store.standing import standing
from support import forked
from support.engine_process import free_port
from support.findings_page import BOOK
from support.reactor import in_reactor, reactor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from casecart.workspace import Finding

SECRET = "a made-up secret of these tests, long enough"
ENVIRONMENT = {"KEYS": SECRET, "TOKENS": SECRET}
ENGINE = "config/engine.yaml"


def site(root: Path, *changes: tuple[str, str]) -> Path:
    """The small workspace, with a port of its own and a store that is up, changed as asked."""
    text = BOOK["base"][ENGINE].replace("port: 2575", f"port: {free_port()}")
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    (root / "config").mkdir()
    (root / "var").mkdir()
    (root / ENGINE).write_text(text, "utf-8")
    shutil.copy(_store(), root / "var" / "casecart.db")
    return root


@cache
def _store() -> str:
    """A store that is up, made once."""
    path = f"{tempfile.mkdtemp()}/casecart.db"
    migrate(f"sqlite:///{path}")
    return path


def looked_at(root: Path, environment: Mapping[str, str] = ENVIRONMENT) -> list[Finding]:
    return [*here(root, read_engine(root), environment)]


def told(root: Path, environment: Mapping[str, str] = ENVIRONMENT) -> list[tuple[int, str, str]]:
    return [(finding.place.line, finding.severity, finding.code) for finding in looked_at(root, environment)]


def answered(root: Path, limit: float = 5.0) -> list[Finding]:
    asked = asked_of(root, read_engine(root))
    found: list[Finding] = in_reactor(lambda: Deferred.fromCoroutine(answers(asked, reactor, limit)))
    return found


def test_of_a_good_site_nothing_is_told(tmp_path: Path) -> None:
    root = site(tmp_path)
    assert looked_at(root) == []
    assert answered(root) == []


def test_a_look_changes_nothing(tmp_path: Path) -> None:
    root = site(tmp_path)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    looked_at(root)
    answered(root)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


# --- secrets
@pytest.mark.parametrize(
    ("keys", "environment", "code"),
    [
        ("{env: KEYS}", {"KEYS": "", "TOKENS": SECRET}, "secret-missing"),
        ("{env: KEYS}", {"TOKENS": SECRET}, "secret-missing"),
        ("{env: KEYS}", {"KEYS": "short-one", "TOKENS": SECRET}, "secret-short"),
        ("{file: var/none}", ENVIRONMENT, "secret-missing"),
        ("{file: var}", ENVIRONMENT, "secret-missing"),
    ],
)
def test_a_secret_that_is_missing_or_short_is_told_where_it_is_named(
    tmp_path: Path, keys: str, environment: Mapping[str, str], code: str
) -> None:
    assert told(site(tmp_path, ("{env: KEYS}", keys)), environment) == [(4, "error", code)]


def test_the_secrets_of_headers_and_tls_are_looked_at_too_and_none_is_repeated(tmp_path: Path) -> None:
    rest = "{kind: rest, url: 'http://127.0.0.1:1/', delivery: keyed, headers: {X-Key: {env: HEADER}}}"
    tls = f"port: {free_port()}\n    tls: {{certificate: cert.pem, key: {{env: CERT_KEY}}}}"
    root = site(
        tmp_path, ("{kind: file, folder: var/inventory}", rest), ("kind: mllp\n    port: ", "kind: mllp\n    #")
    )
    text = (root / ENGINE).read_text("utf-8").replace("    kind: mllp\n", f"    kind: mllp\n    {tls}\n")
    (root / ENGINE).write_text(text, "utf-8")
    found = looked_at(root)
    assert [finding.code for finding in found] == ["secret-missing", "secret-missing", "bad-certificate"]
    found = looked_at(root, {**ENVIRONMENT, "HEADER": "hunter2", "CERT_KEY": "hunter3"})
    assert [finding.code for finding in found] == ["bad-certificate"]
    assert "hunter" not in "".join(map(str, found))


# --- ports
@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as door:
        yield door.getsockname()[1]


def test_a_port_that_another_process_has_is_told(tmp_path: Path) -> None:
    with listening() as port:
        root = site(tmp_path)
        text = (root / ENGINE).read_text("utf-8")
        (root / ENGINE).write_text(text.replace(text.split("port: ")[1].split("\n")[0], str(port), 1), "utf-8")
        (finding,) = looked_at(root)
        assert (finding.code, finding.place.line) == ("port-taken", 8)
        assert f"port {port} of 127.0.0.1" in finding.message


def test_a_port_that_an_engine_of_this_workspace_has_is_its_own(tmp_path: Path) -> None:
    with listening() as port:
        root = site(tmp_path)
        text = (root / ENGINE).read_text("utf-8")
        (root / ENGINE).write_text(text.replace(text.split("port: ")[1].split("\n")[0], str(port), 1), "utf-8")
        store = open_store(f"sqlite:///{root}/var/casecart.db", role="engine")
        try:
            assert looked_at(root) == []
        finally:
            store.close()


def test_the_port_of_the_metrics_is_looked_at_too(tmp_path: Path) -> None:
    with listening() as port:
        root = site(tmp_path, ("secrets:", f"metrics: {{port: {port}}}\nsecrets:"))
        assert told(root) == [(4, "error", "port-taken")]


def test_an_address_that_this_machine_does_not_have_is_told(tmp_path: Path) -> None:
    root = site(tmp_path, ("kind: mllp\n", "kind: mllp\n    interface: 192.0.2.7\n    networks: [192.0.2.0/24]\n"))
    assert told(root) == [(8, "error", "address-unusable")]


# --- the store
@pytest.mark.parametrize(
    ("revision", "severity", "code"), [("0001", "warning", "store-behind"), ("9999", "error", "store-ahead")]
)
def test_a_store_of_another_version_is_told(tmp_path: Path, revision: str, severity: str, code: str) -> None:
    root = site(tmp_path, ("secrets:", "store: sqlite:///var/casecart.db\nsecrets:"))
    engine = sqlalchemy.create_engine(f"sqlite:///{root}/var/casecart.db")
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("update alembic_version set version_num = :it"), {"it": revision})
    engine.dispose()
    assert told(root) == [(4, severity, code)]


def test_a_store_that_is_not_there_yet_is_no_error(tmp_path: Path) -> None:
    root = site(tmp_path)
    (root / "var" / "casecart.db").unlink()
    assert told(root) == [(1, "warning", "store-new")]
    assert not (root / "var" / "casecart.db").exists()


def test_a_store_that_is_no_database_is_told(tmp_path: Path) -> None:
    root = site(tmp_path)
    (root / "var" / "casecart.db").write_bytes(b"this was never a database" * 1000)
    assert told(root) == [(1, "error", "store-unreachable")]


def test_a_database_server_that_is_not_there_is_told_without_the_password(tmp_path: Path) -> None:
    url = f"store: {{url: 'postgresql://casecart@127.0.0.1:{free_port()}/none', password: {{env: PASSWORD}}}}\nsecrets:"
    root = site(tmp_path, ("secrets:", url))
    (finding,) = looked_at(root, {**ENVIRONMENT, "PASSWORD": "hunter2"})
    assert (finding.code, finding.place.line) == ("store-unreachable", 4)
    assert "hunter2" not in finding.message


def test_a_database_without_tables_and_one_with_them_are_told_apart(postgresql_dsn: str) -> None:
    assert (standing(postgresql_dsn).code, standing(postgresql_dsn).passing) == ("store-new", True)
    migrate(postgresql_dsn)
    assert standing(postgresql_dsn).code == ""


def test_a_disk_with_less_room_than_the_reserve_is_told(tmp_path: Path) -> None:
    assert told(site(tmp_path, ("secrets:", "intake: {disk_reserve: 900000GB}\nsecrets:"))) == [
        (1, "error", "disk-low")
    ]


def test_a_clock_before_the_file_was_written_is_told(tmp_path: Path) -> None:
    root = site(tmp_path)
    os.utime(root / ENGINE, (time.time() + 10 * 86_400,) * 2)
    assert told(root) == [(1, "error", "clock-off")]


# --- what is asked
class Service(BaseHTTPRequestHandler):
    """A server that answers everything in the same way."""

    status, kind, body = 200, "application/json", b"[]"

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(self.status)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def service(status: int = 200, body: object = (), kind: str = "application/json") -> Iterator[int]:
    behaviour = {"status": status, "kind": kind, "body": json.dumps(body).encode()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Answering", (Service,), behaviour))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


FILE = "{kind: file, folder: var/inventory}"
REST = "{kind: rest, url: 'http://127.0.0.1:PORT/in', delivery: keyed}"
SEARCHED = (
    "{kind: rest, url: 'http://127.0.0.1:PORT/in', batch: 1, delivery: searchable, "
    "look_up: {url: 'http://127.0.0.1:PORT/in/{key}', settling: 1s}}"
)
TRYTON = "{kind: tryton, url: 'http://127.0.0.1:PORT/hosp', key: {env: PATH}}"
MLLP = "{kind: mllp, host: 127.0.0.1, port: PORT, mapping: m}"
FHIR = (
    "  ehr: {kind: fhir, facility: NORTH, server: {url: 'http://127.0.0.1:PORT/fhir'}, "
    "searches: [Procedure], every: 1m}"
)
METADATA = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1", "status": "active", "kind": "instance"}


def asking(root: Path, port: int, destination: str = FILE, listener: str = "") -> list[tuple[str, str]]:
    site(
        root,
        (FILE, destination.replace("PORT", str(port))),
        ("destinations:", f"{listener.replace('PORT', str(port))}\ndestinations:"),
    )
    return [(finding.code, finding.message) for finding in answered(root)]


@pytest.mark.parametrize(
    ("destination", "listener"), [(REST, ""), (SEARCHED, ""), (TRYTON, ""), (MLLP, ""), (FILE, FHIR)]
)
def test_what_nobody_listens_for_is_not_reached(tmp_path: Path, destination: str, listener: str) -> None:
    ((code, words),) = asking(tmp_path, free_port(), destination, listener)
    assert code == "not-reached"
    assert words.startswith(("'inventory': ", "'ehr': "))


@pytest.mark.parametrize(
    ("asked", "status", "body", "expected"),
    [
        (REST, 500, {}, []),  # connecting is all that can be done without posting
        (SEARCHED, 404, {}, []),  # no posting has that key
        (SEARCHED, 401, {}, ["not-let-in"]),
        (TRYTON, 200, [], []),
        (TRYTON, 401, {}, ["not-let-in"]),
        (TRYTON, 403, {"message": "no"}, ["not-let-in"]),
        (TRYTON, 200, {"this is": "no Tryton"}, ["not-as-expected"]),
        (MLLP, 200, {}, []),
        (FHIR, 200, METADATA, []),
        (FHIR, 200, {**METADATA, "fhirVersion": "5.0.0"}, ["not-as-expected"]),
        (FHIR, 200, {"resourceType": "Patient"}, ["not-as-expected"]),
        (FHIR, 401, {}, ["not-let-in"]),
    ],
)
def test_what_answers_is_told_by_what_it_says(
    tmp_path: Path, asked: str, status: int, body: object, expected: list[str]
) -> None:
    kind = "application/fhir+json" if asked == FHIR else "application/json"
    with service(status, body, kind) as port:
        of = (FILE, FHIR) if asked == FHIR else (asked, "")
        assert [code for code, _ in asking(tmp_path, port, *of)] == expected


def test_what_never_answers_is_given_up_and_all_are_asked_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        both = f"{TRYTON}\n  other: {TRYTON}".replace("PORT", str(port))
        root = site(tmp_path, (FILE, both))
        start = time.monotonic()
        found = answered(root, limit=1.0)
        assert [finding.code for finding in found] == ["not-reached", "not-reached"]
        assert time.monotonic() - start < 1.9


def test_a_folder_that_takes_no_files_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", "utf-8")
    ((code, words),) = asking(tmp_path, 1, "{kind: file, folder: taken/inventory}")
    assert (code, "taken" in words) == ("folder-unusable", True)


def test_the_command_tells_of_files_and_site_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    root = site(tmp_path, (FILE, REST.replace("PORT", str(free_port()))), ("America/Chicago", "Europe/Berlin"))
    done = forked.run("check", "--env", str(root))
    assert done.returncode == 1
    assert "error not-reached 'inventory': Nothing listens at the service's address" in done.stdout


def test_a_site_of_which_nothing_can_be_read_is_not_looked_at(tmp_path: Path) -> None:
    root = site(tmp_path)
    (root / ENGINE).write_text("organisation: [\n", "utf-8")
    done = forked.run("check", "--env", str(root))
    assert done.returncode == 1
    assert "the site was not looked at" in done.stderr
