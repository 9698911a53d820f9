"""What `casecart try` shows is what an engine does; and nothing is sent or stored by it."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from casecart.cli.main import run
from casecart.commands.actor import Actor
from casecart.commands.desk import open_desk
from casecart.commands.refusal import Refusal
from casecart.commands.site import read_site
from casecart.commands.trying import LARGEST, StoredMessage, Try, cut
from casecart.store import open_store
from casecart.workspace import WorkspaceError, reference
from support.forked import CASECART
from support.master import publish
from support.new_workspace import new_workspace
from support.shipped import Shipped, master_documents, sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.commands.try_view import Tried, TriedField, TriedLine
    from support.line import Line

NOW = 1_793_700_000_000_000  # a day in November 2026, µs since 1970


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `casecart init` makes, with the samples' master data."""
    root = tmp_path_factory.mktemp("new") / "ws"
    new_workspace(root)
    with closing(open_store(read_site(root).store_url, role="person")) as store:
        publish(store, *master_documents())
    return root


@pytest.fixture
def ws(new: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(new, tmp_path / "ws")
    return tmp_path / "ws"


def tried(root: Path, channel: str, *bodies: bytes, **more: Any) -> Tried:  # noqa: ANN401 - as `Try` takes it
    return Try(root=root, channel=channel, source="a test", bodies=bodies, now=lambda: NOW, **more).run()


def fhir(name: str) -> bytes:
    return (reference.root() / "samples" / "fhir" / f"{name}.json").read_bytes()


def only_line(shown: Tried) -> TriedLine:
    ((line,),) = [message.lines for message in shown.messages]
    return line


def field(line: TriedLine, name: str) -> TriedField:
    return next(each for each in line.fields if each.name == name)


def to(root: Path, destination: str) -> None:
    """Have the workspace's destination be another one."""
    engine = root / "config" / "engine.yaml"
    text = engine.read_text("utf-8")
    assert "{kind: file, folder: var/inventory}" in text
    engine.write_text(text.replace("{kind: file, folder: var/inventory}", destination), "utf-8")


# --- what is shown
def test_each_value_is_shown_with_its_paths_and_the_very_bytes_that_say_it(new: Path) -> None:
    body = sample("dft-hip-stem")
    line = only_line(tried(new, "or-usage", body))
    lot = field(line, "lot")
    assert (lot.value, [source.path for source in lot.sources]) == (
        "21A11F4855",
        ["PRT[PRT-4.1 = 'EQUIP']-19", "udi.lot"],
    )
    placed = [source for each in line.fields for source in each.sources if source.at is not None]
    assert len(placed) > 10
    for source in placed:
        assert source.at is not None
        assert [body[source.at.offset : source.at.offset + source.at.length].decode()] == source.told


def test_a_line_is_shown_with_what_each_step_decided(new: Path) -> None:
    line = only_line(tried(new, "or-usage", sample("dft-hip-stem")))
    assert (line.place, line.line, line.became, line.item) == ("FT1[1]", "770001", "posted", "Hip stem, size 12")
    assert (field(line, "action").table, field(line, "case").token) == ("transaction-type", True)
    assert (field(line, "location").value, field(line, "location").by) == ("OR-CORE", "resolve")
    assert line.route is not None
    assert (line.route.entry, line.route.when, line.route.to) == (1, "usage.ownership == 'owned'", "inventory")


@pytest.mark.parametrize(
    "names",
    [
        ["dft-hip-stem"],
        ["dft-three-lines"],
        ["dft-hip-stem", "dft-hip-stem-credit"],
        ["dft-screw-box", "dft-screw-correction"],
        ["dft-unknown-item", "dft-udi-conflict", "dft-unknown-code", "dft-screw-expired"],
        ["siu-new", "dft-without-department"],
    ],
    ids=" ".join,
)
def test_what_is_tried_is_what_an_engine_does(new: Path, tmp_path: Path, names: list[str]) -> None:
    bodies = [sample(name) for name in names]
    shown = tried(new, "or-usage", *bodies)
    shutil.copytree(new, tmp_path / "engine")
    for path in [*(tmp_path / "engine" / "channels").glob("*.yaml"), tmp_path / "engine" / "config" / "engine.yaml"]:
        text = path.read_text("utf-8").replace("to: inventory", "to: erp").replace("  inventory: ", "  erp: ")
        path.write_text(text, "utf-8")
    line = Shipped(tmp_path / "engine", f"sqlite:///{tmp_path}/engine/var/casecart.db")
    line.start()
    for body in bodies:
        line.send(body)
    posted = [without_keys(json.loads(posting.payload)) for posting in line.postings()]
    assert [without_keys(each.payload) for each in postings(shown)] == posted
    held = [(place, code, name) for message in shown.messages for place, code, name in line.held(message.control_id)]
    assert [
        (each.place, hold.code, hold.field)
        for message in shown.messages
        for each in message.lines
        for hold in each.held
    ] == held


def without_keys(payload: dict[str, Any]) -> dict[str, Any]:
    """What does not hang on the secrets, of which the line has others."""
    return {name: value for name, value in payload.items() if name not in {"key", "case", "reverses"}}


def postings(shown: Tried) -> list[Any]:
    return [posting for message in shown.messages for line in message.lines for posting in line.postings]


def test_a_credit_takes_back_what_the_message_before_it_posted(new: Path) -> None:
    shown = tried(new, "or-usage", sample("dft-hip-stem"), sample("dft-hip-stem-credit"))
    first, second = postings(shown)
    assert (second.payload["action"], second.payload["reverses"]) == ("reverse", first.key)


def test_a_message_that_is_sent_again_does_nothing_more(new: Path) -> None:
    shown = tried(new, "or-usage", sample("dft-hip-stem"), sample("dft-hip-stem"))
    assert (shown.messages[1].code, shown.messages[1].lines, shown.fine) == ("duplicate", [], True)


def test_what_says_what_is_posted_already_is_no_change(new: Path) -> None:
    first = sample("supply-usage")
    shown = tried(new, "supply-usage", first, first.replace(b"SUPPLIES-000001", b"SUPPLIES-000009"))
    assert {line.became for line in shown.messages[1].lines} == {"no change"}
    assert shown.messages[1].out == []


def test_an_unknown_item_is_held_with_code_words_and_where_it_was_looked_for(new: Path) -> None:
    shown = tried(new, "or-usage", sample("dft-unknown-item"))
    line = only_line(shown)
    (hold,) = line.held
    assert (line.became, hold.code, hold.field, hold.path) == ("held", "item-unknown", "di", "device-16.1, udi.di")
    assert (line.postings, shown.messages[0].out, shown.fine) == ([], [], False)


def test_a_field_that_cant_be_read_is_shown_with_what_stands_there(new: Path) -> None:
    line = only_line(tried(new, "or-usage", sample("dft-hip-stem", ("20261103081500", "someday"))))
    assert field(line, "used_on").sources[0].told == ["someday"]
    assert [(hold.code, hold.path) for hold in line.held] == [("not-a-date", "FT1-4.1")]


@pytest.mark.parametrize(
    ("channel", "changes", "code", "words"),
    [
        ("or-usage", [("DFT^P03^DFT_P03", "DFT^P99")], "other-type", "accepts DFT^P03 and DFT^P11"),
        ("supply-usage", [], "other-peer", "it is taken by or-usage"),
        ("or-usage", [("ORSYS|NORTH", "NOBODY|NOWHERE")], "refused", "unknown-peer"),
        ("or-usage", [("|ORSYS-000001|", "||")], "refused", "no-control-id"),
    ],
)
def test_a_message_that_the_channel_does_not_take_is_told_why(
    new: Path, channel: str, changes: list[tuple[str, str]], code: str, words: str
) -> None:
    shown = tried(new, channel, sample("dft-hip-stem", *changes))
    (message,) = shown.messages
    assert (message.accepted, message.code, message.lines, shown.fine) == (False, code, [], False)
    assert words in message.why


def test_parts_of_a_message_are_worked_when_the_last_is_there(new: Path) -> None:
    *_, device = lines = sample("dft-hip-stem").splitlines()
    head = lines[0].split(b"|")
    first = b"\r".join([*lines[:-1], b"DSC|NEXT|F", b""])
    second = b"\r".join([b"|".join([*head[:9], b"ORSYS-000099", *head[10:12], b"", b"NEXT"]), device, b""])
    one, whole = tried(new, "or-usage", first, second).messages
    assert (one.code, one.lines) == ("part", [])
    assert [(line.place, line.became) for line in whole.lines] == [("FT1[1]", "posted")]


def test_a_long_message_is_shown_in_seconds(new: Path) -> None:
    *head, charge, device = sample("dft-hip-stem").splitlines()
    lines = [
        each
        for number in range(1_000)
        for each in (charge.replace(b"770001", b"%06d" % number), device.replace(b"SN-4711", b"S%05d" % number))
    ]
    (message,) = tried(new, "or-usage", b"\r".join([*head, *lines, b""])).messages
    assert len(message.lines) == 1_000
    last = field(message.lines[-1], "serial").sources[0].at
    assert last is not None
    assert last.segment == "PRT[1000]"


def test_a_fhir_resource_is_tried_likewise(new: Path) -> None:
    shown = tried(new, "fhir-procedures", fhir("procedure-hip-stem"))
    (message,) = shown.messages
    assert [line.became for line in message.lines] == ["posted", "posted", "filtered"]
    assert message.lines[2].reason.startswith("where: disposition == 'implanted'")
    assert field(message.lines[0], "serial").sources[0].path == "%device.serialNumber"
    assert (message.schema, len(message.out)) == ("fhir/4.0.1", 2)


def test_the_element_of_a_line_is_shown_with_its_very_bytes(new: Path) -> None:
    body = fhir("procedure-hip-stem")
    (message,) = tried(new, "fhir-procedures", body).messages
    devices = json.loads(body)["entry"][0]["resource"]["focalDevice"]
    found = []
    for line in message.lines:
        assert line.element is not None
        found.append(json.loads(body[line.element.offset : line.element.offset + line.element.length]))
        assert body.splitlines()[line.element.line - 1][line.element.column - 1 :][:1] == b"{"
    assert found == devices


def test_the_version_of_fhir_can_be_said(new: Path) -> None:
    shown = tried(new, "fhir-procedures", fhir("procedure-hip-stem"), version="R5")
    assert shown.messages[0].schema == "fhir/5.0.0"


def test_a_hook_is_run_and_what_it_changed_is_shown(ws: Path) -> None:
    (ws / "hooks").mkdir(exist_ok=True)
    source = "def hook(lines):\n    for line in lines:\n        line['lot'] = 'HOOKED'\n    return lines\n"
    (ws / "hooks" / "lots.py").write_text(source, "utf-8")
    channel = ws / "channels" / "or-usage.yaml"
    text = channel.read_text("utf-8")
    step = "  - map: dft-usage\n"
    channel.write_text(text.replace(step, f"{step}  - hook: {{file: hooks/lots.py}}\n"), "utf-8")
    lot = field(only_line(tried(ws, "or-usage", sample("dft-hip-stem"))), "lot")
    assert (lot.value, lot.by, lot.before) == ("HOOKED", "hook or fill", "21A11F4855")


def test_messages_of_a_folder_and_of_a_fhir_server_are_tried_as_they_would_be_handed_in(ws: Path) -> None:
    engine = ws / "config" / "engine.yaml"
    peers = "{orsys: {match: {MSH-3: ORSYS}, facility: NORTH}}"
    more = f"""
  inbox: {{kind: file, folder: var/inbox, peers: {peers}}}
  server: {{kind: fhir, facility: NORTH, server: {{url: "http://127.0.0.1:1/fhir"}}, searches: [Procedure], every: 5m}}

destinations:"""
    engine.write_text(engine.read_text("utf-8").replace("\ndestinations:", more), "utf-8")
    for name, before, after in (
        ("or-usage", "from: [or-mllp]", "from: [inbox]"),
        ("fhir-procedures", "from: [ehr-http]\n", "from: [server]\n"),
    ):
        path = ws / "channels" / f"{name}.yaml"
        text = path.read_text("utf-8")
        assert before in text
        path.write_text(text.replace(before, after).replace("peers: [ehr]\n", ""), "utf-8")
    (filed,) = tried(ws, "or-usage", sample("dft-hip-stem")).messages
    assert (filed.listener, filed.peer, filed.accepted, len(filed.out)) == ("inbox", "orsys", True, 1)
    (read,) = tried(ws, "fhir-procedures", fhir("procedure-hip-stem")).messages
    assert (read.listener, read.peer, read.accepted, len(read.out)) == ("server", "server", True, 2)
    (broken,) = tried(ws, "fhir-procedures", b"{").messages
    assert (broken.accepted, broken.code) == (False, "refused")


def test_a_channel_for_cases_and_one_for_master_data_show_what_they_would_note_and_bring_in(new: Path) -> None:
    (noted,) = tried(new, "or-schedule", sample("siu-new")).messages
    assert [case.fields["department"] for case in noted.cases] == ["OR-MAIN"]
    (brought,) = tried(new, "item-master", sample("mfn-items")).messages
    assert "item SCREW-65-30" in brought.changes


# --- what would go out
def test_a_request_is_shown_as_the_template_writes_it(ws: Path) -> None:
    template = "{template: '<use item=\"{{ posting.item }}\"/>'}"
    headers = "{Authorization: {env: NOT_THERE}}"  # whoever tries a message need not have the secret
    to(
        ws,
        f'{{kind: rest, url: "http://127.0.0.1:1/in", batch: 1, body: {template}, headers: {headers}}}',
    )
    shown = tried(ws, "or-usage", sample("dft-hip-stem"))
    (out,) = shown.messages[0].out
    assert out.body == '<use item="HIP-STEM-12"/>'
    assert out.to.startswith("POST http://127.0.0.1:1/in ")


def test_a_template_that_fails_is_told(ws: Path) -> None:
    to(ws, '{kind: rest, url: "http://127.0.0.1:1/in", batch: 1, body: "{{ posting.nothing }}"}')
    shown = tried(ws, "or-usage", sample("dft-hip-stem"))
    assert [(out.code, out.body) for out in shown.messages[0].out] == [("template-error", "")]
    assert not shown.fine


def test_a_message_is_shown_as_its_mapping_writes_it_identifiers_and_all(ws: Path) -> None:
    to(ws, "{kind: mllp, host: 127.0.0.1, port: 1, mapping: charge-dft, discloses: [case]}")
    (out,) = tried(ws, "or-usage", sample("dft-hip-stem")).messages[0].out
    assert out.body.startswith("MSH|^~\\&|CASECART|")
    assert "V100231" in out.body
    assert out.to == "mllp://127.0.0.1:1"


# --- nothing is done
def test_nothing_is_sent_and_nothing_stored(ws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    to(ws, '{kind: rest, url: "http://127.0.0.1:1/in"}')
    before = {path: path.read_bytes() for path in ws.rglob("*") if path.is_file()}
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    shown = tried(ws, "or-usage", sample("dft-hip-stem"), sample("dft-unknown-item"))
    assert len(shown.messages[0].out) == 1
    after = {path: path.read_bytes() for path in ws.rglob("*") if path.is_file()}
    assert {path: data for path, data in after.items() if path.suffix not in {".db-wal", ".db-shm"}} == before


def test_an_engine_may_run_meanwhile(ws: Path) -> None:
    with closing(open_store(read_site(ws).store_url, role="engine")):
        assert tried(ws, "or-usage", sample("dft-hip-stem")).fine


def test_without_a_store_it_says_so_and_nothing_is_resolved(ws: Path) -> None:
    (ws / "var" / "casecart.db").unlink()
    shown = tried(ws, "or-usage", sample("dft-hip-stem"))
    assert "without master data" in shown.notes[0]
    assert only_line(shown).became == "held"
    assert not (ws / "var" / "casecart.db").exists()


def test_without_secrets_keys_are_made_up_the_same_each_time(ws: Path) -> None:
    shutil.rmtree(ws / "var" / "secrets")
    one, two = (tried(ws, "or-usage", sample("dft-hip-stem")) for _ in range(2))
    assert "made up" in one.notes[0]
    assert [each.key for each in postings(one)] == [each.key for each in postings(two)]


def test_it_answers_soon(new: Path) -> None:
    tried(new, "or-usage", sample("dft-hip-stem"))
    spent = tried(new, "or-usage", sample("dft-hip-stem")).milliseconds
    assert sum(spent.values()) < 3_000  # 100 ms, where nobody else wants the processor


# --- what is asked badly
def test_what_is_wrong_in_the_workspace_is_told_at_its_place(ws: Path) -> None:
    mapping = ws / "mappings" / "dft-usage.yaml"
    mapping.write_text(mapping.read_text("utf-8").replace("FT1-10,", "FT1-10.x,"), "utf-8")
    with pytest.raises(WorkspaceError) as wrong:
        tried(ws, "or-usage", sample("dft-hip-stem"))
    assert wrong.value.findings[0].place.file == "mappings/dft-usage.yaml"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "nothing in it"),
        (b" \r\n", "nothing in it"),
        (b"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x00>\x00", "no text"),
        (b"channel: or-usage\n", "no line of it begins with MSH"),
        (b"M" * (LARGEST + 1), "larger than 50 MB"),
    ],
    ids=["empty", "blank", "binary", "text", "huge"],
)
def test_what_is_no_message_is_told_in_clear_words(data: bytes, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        cut(data)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"resourceType": 7}', b"MSH", b"MSH|^~\\&\rFT1|\xff\xfe\x00"])
def test_a_broken_message_is_refused_and_not_worked(new: Path, body: bytes) -> None:
    (message,) = tried(new, "fhir-procedures" if body[:1] in b"{[" else "or-usage", body).messages
    assert (message.accepted, message.code, message.lines) == (False, "refused", [])


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        (["or-usag", "{sample}"], 1, "Did you mean 'or-usage'?"),
        (["or-usage", "nothing.hl7"], 1, "there is no file nothing.hl7"),
        (["or-usage", "42"], 1, "there is no file '42', and no message has the position"),
        (["or-usage", "{sample}", "--listener", "or-mlp"], 1, "Did you mean 'or-mllp'?"),
        (["or-usage", "{ws}"], 2, "can't be read"),
        (["or-usage", "{sample}", "-w", "{ws}/samples"], 3, "is no workspace"),
    ],
)
def test_mistakes_in_what_is_typed_are_told(
    new: Path, capsys: pytest.CaptureFixture[str], typed: list[str], code: int, words: str
) -> None:
    here = {"sample": str(new / "samples" / "hl7v2" / "dft-hip-stem.hl7"), "ws": str(new)}
    assert run(["try", "-w", str(new), *(each.format(**here) for each in typed)]) == code
    assert words in capsys.readouterr().err


def test_the_exit_code_says_whether_all_is_fine(new: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = new / "samples" / "hl7v2"
    assert run(["try", "-w", str(new), "or-usage", str(samples / "dft-hip-stem.hl7"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["messages"][0]["lines"][0]["became"] == "posted"
    assert run(["try", "-w", str(new), "or-usage", str(samples / "dft-unknown-item.hl7")]) == 1
    shown = capsys.readouterr().out
    assert "held       item-unknown (di <- device-16.1, udi.di)" in shown
    assert "nothing was sent or stored" in shown


# --- a stored one
@pytest.fixture
def stored(ws: Path) -> Iterator[Path]:
    """A workspace to which a message came."""
    to(ws, "{kind: file, folder: var/inventory}\n  erp: {kind: file, folder: var/erp}")
    line: Line = Shipped(ws, read_site(ws).store_url)
    line.start()
    line.send(sample("dft-hip-stem"))
    yield ws
    line.store.close()


def test_a_stored_message_is_tried_and_the_look_is_audited(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["try", "-w", str(stored), "or-usage", "ORSYS-000001", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["messages"][0]["control_id"] == "ORSYS-000001"
    with closing(open_store(read_site(stored).store_url, role="reader")) as store:
        assert [(each.command, each.subject) for each in store.audit(1)] == [("message.read", "message:1")]


def test_a_stored_message_needs_the_right_to_see_bodies(stored: Path) -> None:
    someone = Actor("bob", frozenset({"see", "operate"}))
    with open_desk(stored, someone) as desk, pytest.raises(Refusal, match="see bodies"):
        desk.ask(StoredMessage(reference="1"))


# --- watching
def test_it_is_tried_again_on_each_save_and_a_broken_file_ends_nothing(ws: Path) -> None:
    mapping = ws / "mappings" / "dft-usage.yaml"
    good = mapping.read_text("utf-8")
    typed = [CASECART, "try", "or-usage", "samples/hl7v2/dft-hip-stem.hl7", "--watch"]
    with subprocess.Popen(typed, cwd=ws, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as watching:
        assert watching.stdout is not None

        def until(words: str) -> None:
            assert watching.stdout is not None
            assert any(words in line for line in watching.stdout), words

        try:
            until("as line 770001: posted")
            until("waiting for a save")
            mapping.write_text(good.replace("makes: Usage", "makes: [Usage"), "utf-8")
            until("mappings/dft-usage.yaml:")
            until("waiting for a save")
            mapping.write_text(good.replace("{path: FT1-13.1, optional: true}", "{value: OR-MAIN}"), "utf-8")
            until("<- the mapping")
            until("waiting for a save")
        finally:
            watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 130
