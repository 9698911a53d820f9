"""One usage that HL7 v2 and FHIR both tell of: one movement, whoever comes first; a question where they disagree."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from casecart.canonical import FIELDS
from casecart.canonical.master import Item
from casecart.runtime.channel import compile_channels
from casecart.runtime.kinds import installed_kinds
from casecart.runtime.listener import Arrival
from casecart.workspace import WorkspaceError, load
from support.line import Line, write_workspace
from support.master import publish
from support.store import new_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHANNEL: Final = """\
channel: {name}
about: Of the tests.
from: [or-mllp]
accept: [{accept}]
steps:
  - map: {name}
  - route: [{{post: {{to: erp, as: consumption}}}}]
line: serial
"""
CHARGES: Final = """\
mapping: charges
reads: {format: hl7v2}
makes: Usage
says: transactions
each: FT1
fields:
  case: {path: PV1-19.1, required: true, token: case}
  line: {path: FT1-2, required: true}
  action: {path: FT1-6.1, table: action, required: true}
  quantity: {path: FT1-10, type: decimal, required: true, sign: by-action}
  item: {path: FT1-7.1, optional: true}
  location: {value: CORE}
  serial: {path: FT1-13.1, optional: true}
  lot: {path: FT1-16.1, optional: true}
"""
PROCEDURES: Final = """\
mapping: procedures
reads: {format: fhir}
makes: Usage
says: state
takes_back: "status in ('completed' | 'entered-in-error')"
each: Procedure.focalDevice
bind: {device: manipulated.resolve()}
fields:
  case: {path: "%resource.encounter.identifier.value", required: true, token: case}
  line: {join: ["%resource.id", "%device.id"], required: true}
  action: {path: "%resource.status", table: action, required: true}
  quantity: {value: "1", type: decimal}
  item: {path: "%device.modelNumber", optional: true}
  location: {value: THEATRE}
  disposition: {value: implanted}
  serial: {path: "%device.serialNumber", optional: true}
  lot: {path: "%device.lotNumber", optional: true}
"""
TABLE: Final = "code,value\nCG,use\nCD,reverse\ncompleted,use\nentered-in-error,reverse\n"


class TwoWays:
    """A line that both come to."""

    def __init__(self, line: Line) -> None:
        self.line, self.numbers = line, itertools.count(1)

    def charge(
        self, kind: str = "CG", *, own: str = "1", item: str = "STEM", serial: str = "SN-1", lot: str = "L1"
    ) -> None:
        """HL7 v2 tells, under an id of its own."""
        control_id = f"M{next(self.numbers)}"
        body = "".join(
            f"{segment}\r"
            for segment in (
                f"MSH|^~\\&|ORSYS|NORTH|CASECART|MERCY|20261103101500||DFT^P03|{control_id}|P|2.5.1",
                "PV1|1|I|||||||||||||||||V1",
                f"FT1|1|{own}||20261103||{kind}|{item}|||1|||{serial}|||{lot}",
            )
        )
        self.line.send(body.encode())

    def procedure(
        self, *devices: dict[str, str], version: int = 1, status: str = "completed", visit: str = "V1"
    ) -> None:
        """FHIR tells, with devices that it contains."""
        number = next(self.numbers)
        held = [
            {"resourceType": "Device", "id": f"d{index}", "modelNumber": "STEM", "serialNumber": "SN-1"} | device
            for index, device in enumerate(devices)
        ]
        resource: dict[str, Any] = {
            "resourceType": "Procedure",
            "id": f"p-{visit}",
            "meta": {"lastUpdated": f"2026-09-03T10:00:{version:02}Z"},
            "status": status,
            "subject": {"reference": "Patient/test-1"},
            "encounter": {"identifier": {"value": visit}},
            "contained": [{name: value for name, value in each.items() if value} for each in held],
            "focalDevice": [{"manipulated": {"reference": f"#{each['id']}"}} for each in held],
        }
        entry = {"resource": resource}
        self.line.journal.take(
            Arrival(
                listener="or-mllp", facility="NORTH", organisation="MERCY", peer="orsys", schema="fhir/4.0.1",
                message_type="Bundle", sender="fhir", control_id=f"b-{number}", occurred_at=None, partition=0,
                notes=None, source="127.0.0.1:1", charset=None,
                body=msgspec.json.encode({"resourceType": "Bundle", "type": "history", "entry": [entry]}),
                reply=lambda _: None, refused=False, complete_within=None,
            )
        )  # fmt: skip
        self.line.settle()

    @property
    def moved(self) -> list[tuple[str, str]]:
        """Action and item of each posting."""
        payloads = [msgspec.json.decode(each.payload) for each in self.line.postings()]
        return [(each["action"], each["item"]) for each in payloads]

    @property
    def held(self) -> list[str]:
        return [hold.code for hold in self.line.store.holds(states=("new", "assigned", "parked"), limit=100)]


def write_two_ways(root: Path) -> None:
    write_workspace(root)
    (root / "channels" / "usage.yaml").unlink()
    (root / "mappings" / "usage.yaml").unlink()
    (root / "mappings" / "tables" / "action.csv").write_text(TABLE, "utf-8")
    for name, accept, mapping in (("charges", "DFT^P03", CHARGES), ("procedures", "Procedure", PROCEDURES)):
        (root / "channels" / f"{name}.yaml").write_text(CHANNEL.format(name=name, accept=accept), "utf-8")
        (root / "mappings" / f"{name}.yaml").write_text(mapping, "utf-8")


@pytest.fixture
def ways(tmp_path: Path) -> Iterator[TwoWays]:
    write_two_ways(tmp_path)
    url = f"sqlite:///{tmp_path}/casecart.db"
    new_store(url)
    line = Line(tmp_path, url)
    line.start()
    yield TwoWays(line)
    assert (line.broken, line.balance()) == ([], (0, 0))
    line.stop()


DEVICE: Final[dict[str, str]] = {}
STORIES: Final[dict[str, tuple[list[Callable[[TwoWays], None]], list[tuple[str, str]], list[str]]]] = {
    "charge, then procedure": (
        [lambda ways: ways.charge(), lambda ways: ways.procedure(DEVICE)],
        [("use", "STEM")],
        [],
    ),
    "procedure, then charge": (
        [lambda ways: ways.procedure(DEVICE), lambda ways: ways.charge()],
        [("use", "STEM")],
        [],
    ),
    "each of them twice": (
        [lambda ways: ways.procedure(DEVICE), lambda ways: ways.charge(), lambda ways: ways.procedure(DEVICE)],
        [("use", "STEM")],
        [],
    ),
    "what only one of them tells is no disagreement": (
        [lambda ways: ways.charge(lot="L1"), lambda ways: ways.procedure({"modelNumber": ""})],
        [("use", "STEM")],
        [],
    ),
    "another lot": (
        [lambda ways: ways.charge(lot="L1"), lambda ways: ways.procedure({"lotNumber": "L2"})],
        [("use", "STEM")],
        ["told-otherwise"],
    ),
    "another item": (
        [lambda ways: ways.procedure({"modelNumber": "CUP"}), lambda ways: ways.charge()],
        [("use", "CUP")],
        ["told-otherwise"],
    ),
    "another lot in a newer version, when they had agreed": (
        [
            lambda ways: ways.charge(lot="L1"),
            lambda ways: ways.procedure({"lotNumber": "L1"}),
            lambda ways: ways.procedure({"lotNumber": "L2"}, version=2),
        ],
        [("use", "STEM")],
        ["told-otherwise"],
    ),
    "the credit takes back, and the procedure's error changes nothing more": (
        [
            lambda ways: ways.charge(),
            lambda ways: ways.procedure(DEVICE),
            lambda ways: ways.charge("CD"),
            lambda ways: ways.procedure(DEVICE, version=2, status="entered-in-error"),
        ],
        [("use", "STEM"), ("reverse", "STEM")],
        [],
    ),
    "the procedure's error takes back, and the credit changes nothing more": (
        [
            lambda ways: ways.procedure(DEVICE),
            lambda ways: ways.charge(),
            lambda ways: ways.procedure(DEVICE, version=2, status="entered-in-error"),
            lambda ways: ways.charge("CD", own="2"),
        ],
        [("use", "STEM"), ("reverse", "STEM")],
        [],
    ),
    "a device that the procedure leaves out takes back, and the credit without a serial number changes nothing more": (
        [
            lambda ways: ways.charge(),
            lambda ways: ways.procedure(DEVICE),
            lambda ways: ways.procedure(version=2),
            lambda ways: ways.charge("CD"),
        ],
        [("use", "STEM"), ("reverse", "STEM")],
        [],
    ),
    "a charge of what the procedure has taken back already": (
        [
            lambda ways: ways.procedure(DEVICE),
            lambda ways: ways.procedure(DEVICE, version=2, status="entered-in-error"),
            lambda ways: ways.charge(),
        ],
        [("use", "STEM"), ("reverse", "STEM")],
        ["told-otherwise"],
    ),
    "a procedure that goes on telling what a credit took back": (
        [
            lambda ways: ways.charge(),
            lambda ways: ways.procedure(DEVICE),
            lambda ways: ways.charge("CD"),
            lambda ways: ways.procedure(DEVICE, version=2),
        ],
        [("use", "STEM"), ("reverse", "STEM")],
        ["told-otherwise"],
    ),
    "the same version once more says nothing new": (
        [
            lambda ways: ways.charge(),
            lambda ways: ways.procedure(DEVICE),
            lambda ways: ways.charge("CD"),
            lambda ways: ways.procedure(DEVICE),
        ],
        [("use", "STEM"), ("reverse", "STEM")],
        [],
    ),
    "a credit of what only the procedure told waits for its charge": (
        [lambda ways: ways.procedure(DEVICE), lambda ways: ways.charge("CD")],
        [("use", "STEM")],
        ["credit-without-charge"],
    ),
    "a second charge is held as ever": (
        [lambda ways: ways.charge(), lambda ways: ways.procedure(DEVICE), lambda ways: ways.charge(own="2")],
        [("use", "STEM")],
        ["repeated-charge"],
    ),
    "a corrected serial number is another thing": (
        [
            lambda ways: ways.procedure(DEVICE),
            lambda ways: ways.procedure({"serialNumber": "SN-2"}, version=2),
            lambda ways: ways.charge(serial="SN-2"),
        ],
        [("use", "STEM"), ("reverse", "STEM"), ("use", "STEM")],
        [],
    ),
    "without a serial number nothing is taken for the same": (
        [lambda ways: ways.charge(serial=""), lambda ways: ways.procedure({"serialNumber": "", "lotNumber": "L1"})],
        [("use", "STEM"), ("use", "STEM")],
        [],
    ),
    "two things of one item are two": (
        [
            lambda ways: ways.charge(),
            lambda ways: ways.charge(own="2", serial="SN-2"),
            lambda ways: ways.procedure(DEVICE, {"serialNumber": "SN-2"}),
        ],
        [("use", "STEM"), ("use", "STEM")],
        [],
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_what_two_ways_tell_of_one_thing_is_one_movement(ways: TwoWays, story: str) -> None:
    steps, moved, held = STORIES[story]
    for step in steps:
        step(ways)
    assert (ways.moved, ways.held) == (moved, held)


def test_a_disagreement_names_both_sources_and_what_differs(ways: TwoWays) -> None:
    ways.charge(lot="L1")
    ways.procedure({"lotNumber": "L2"})
    (hold,) = ways.line.store.holds(states=("new",))
    assert (hold.channel, hold.place, hold.position) == ("procedures", "Bundle.entry[0].resource.focalDevice[0]", 2)
    assert hold.cause.startswith(
        "Channel charges told of this thing, too (message 1, FT1[1]), with another lot, and that stands so far."
    )
    assert "L1" not in hold.cause + hold.line


def test_the_name_of_a_line_does_not_tell_the_serial_number(ways: TwoWays) -> None:
    ways.charge(serial="SECRET-7")
    (posting,) = ways.line.postings()
    assert "SECRET" not in posting.line
    assert posting.line.startswith("device-")


def test_a_line_that_is_known_by_its_own_id_keeps_it_when_the_rule_comes_later(tmp_path: Path) -> None:
    write_two_ways(tmp_path)
    channel = tmp_path / "channels" / "procedures.yaml"
    text = channel.read_text("utf-8")
    channel.write_text(text.replace("line: serial\n", ""), "utf-8")
    url = f"sqlite:///{tmp_path}/casecart.db"
    new_store(url)
    before = TwoWays(Line(tmp_path, url))
    before.line.start()
    before.procedure(DEVICE)
    before.line.stop()
    channel.write_text(text, "utf-8")
    after = TwoWays(Line(tmp_path, url))
    after.line.start()
    next(after.numbers)
    after.procedure(DEVICE, version=2)
    assert after.moved == [("use", "STEM")]
    after.line.stop()


def test_a_thing_whose_use_was_told_twice_and_taken_back_may_be_used_on_another_case(tmp_path: Path) -> None:
    write_two_ways(tmp_path)
    channel = tmp_path / "channels" / "procedures.yaml"
    text = channel.read_text("utf-8").replace("  - route", "  - verify: [serial]\n  - route")
    channel.write_text(text, "utf-8")
    url = f"sqlite:///{tmp_path}/casecart.db"
    new_store(url)
    ways = TwoWays(Line(tmp_path, url))
    publish(ways.line.store, Item(number="STEM", unit="EA"))
    ways.line.start()
    ways.procedure(DEVICE)
    ways.procedure(DEVICE, version=2)
    ways.procedure(version=3)
    ways.procedure(DEVICE, visit="V2")
    assert (ways.moved, ways.held) == ([("use", "STEM"), ("reverse", "STEM"), ("use", "STEM")], [])
    ways.procedure(DEVICE, visit="V3")
    assert ways.held == ["serial-used"]
    ways.line.stop()


MISTAKES: Final = [
    (CHARGES.replace("  serial: {path: FT1-13.1, optional: true}\n", ""), PROCEDURES, "missing-field"),
    (CHARGES, PROCEDURES.replace("takes_back: \"status in ('completed' | 'entered-in-error')\"\n", ""), "bad-value"),
]


@pytest.mark.parametrize(("charges", "procedures", "code"), MISTAKES)
def test_a_line_by_its_serial_number_needs_one_that_can_be_corrected(
    tmp_path: Path, charges: str, procedures: str, code: str
) -> None:
    write_two_ways(tmp_path)
    (tmp_path / "mappings" / "charges.yaml").write_text(charges, "utf-8")
    (tmp_path / "mappings" / "procedures.yaml").write_text(procedures, "utf-8")
    with pytest.raises(WorkspaceError) as raised:
        compile_channels(load(tmp_path, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)}))
    assert [(finding.code, finding.place.line) for finding in raised.value.findings] == [(code, 8)]
