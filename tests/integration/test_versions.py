"""The versions of a resource, in whatever order: what the newest one doesn't name is not used."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casecart.runtime.copy import encode_decision
from casecart.runtime.destination import NotDelivered
from casecart.runtime.listener import Arrival
from casecart.runtime.made import decode_made
from casecart.store import Change, HoldChange, Replay
from support.line import Line, new_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from casecart.store import Hold

CHANNEL: Final = """\
channel: usage
about: Of the tests.
from: [or-mllp]
accept: [Procedure]
steps:
  - map: usage
  - route:
      - {when: "usage.department == 'HOLD'", hold: Somebody must look at it}
      - {post: {to: erp, as: consumption}}
"""
MAPPING: Final = """\
mapping: usage
reads: {format: fhir}
makes: Usage
says: state
takes_back: "status in ('completed' | 'entered-in-error')"
each: Procedure.focalDevice
where: "disposition == 'implanted' && action != 'none'"
fields:
  case: {path: "%resource.encounter.reference", required: true, token: case}
  line: {join: ["%resource.id", manipulated.reference], required: true}
  action: {path: "%resource.status", table: action, required: true}
  disposition: {path: action.text, optional: true}
  quantity: {value: "1", type: decimal}
  item: {path: manipulated.display, required: true}
  department: {path: "%resource.location.display", optional: true}
"""
TABLE: Final = "code,value\ncompleted,use\nentered-in-error,reverse\nin-progress,none\n"


@dataclass(frozen=True)
class Told:
    """One version: its number, status, encounter, and the devices that it names with what was done to them."""

    number: int
    devices: Sequence[tuple[str, str]] = ()
    status: str = "completed"
    encounter: str = "e-1"
    more: dict[str, Any] = field(default_factory=dict)

    def resource(self, name: str = "p-1") -> dict[str, Any]:
        resource: dict[str, Any] = {
            "resourceType": "Procedure",
            "id": name,
            "status": self.status,
            "subject": {"reference": "Patient/test-1"},
            "meta": {"versionId": str(self.number), "lastUpdated": f"2026-09-03T10:00:{self.number:02}Z"},
            "encounter": {"reference": f"Encounter/{name}-{self.encounter}"},
        }
        if self.devices:
            resource["focalDevice"] = [
                {"action": {"text": action}, "manipulated": {"reference": device, "display": device}}
                for device, action in self.devices
            ]
        return resource | self.more


def named(number: int, devices: str = "", **others: Any) -> Told:  # noqa: ANN401 - the members of a version
    """A version that implants devices of one letter each."""
    return Told(number, [(device, "implanted") for device in devices], **others)


class Feed:
    """A line that versions come to, each in a bundle of its own."""

    def __init__(self, line: Line) -> None:
        self.line, self.sent = line, 0

    def give(self, *told: Told, name: str = "p-1", deleted: int | None = None, settle: bool = True) -> int:
        """Gives the position of the message."""
        self.sent += 1
        entries: list[dict[str, Any]] = [{"resource": each.resource(name)} for each in told]
        if deleted is not None:
            request = {"method": "DELETE", "url": f"Procedure/{name}"}
            answer = {"status": "204", "lastModified": f"2026-09-03T10:00:{deleted:02}Z"}
            entries.append({"request": request, "response": answer})
        return self.take({"resourceType": "Bundle", "type": "history", "entry": entries}, settle=settle)

    def take(self, bundle: dict[str, Any], *, settle: bool = True) -> int:
        control_id = f"b-{self.sent}"
        self.line.journal.take(
            Arrival(
                listener="or-mllp", facility="NORTH", organisation="MERCY", peer="orsys", schema="fhir/4.0.1",
                message_type="Bundle", sender="fhir", control_id=control_id, occurred_at=2 * 10**15 - self.sent,
                partition=0, notes=None, source="127.0.0.1:1", charset=None,
                body=msgspec.json.encode(bundle), reply=lambda _: None, refused=False, complete_within=None,
            )
        )  # fmt: skip
        self.line.settle(30 if settle else 1)
        return self.sent

    def used(self, name: str = "p-1") -> Counter[tuple[str, str]]:
        """What is posted and not taken back: (encounter as far as it is told apart, device)."""
        used: Counter[tuple[str, str]] = Counter()
        for posting in self.line.postings():
            each = msgspec.json.decode(posting.payload)
            if posting.state == "posted" and each["line"].startswith(f"{name}/"):
                used[each["case"], each["item"]] += int(each["quantity"]) * (1 if each["action"] == "use" else -1)
        return +used

    def rest(self) -> None:
        """Until nothing is on its way and nothing waits for an answer."""
        self.line.script.answers = []
        for _ in range(60):
            self.line.settle()
            self.line.look()
            if not self.line.store.open_counts() and not self.line.store.replays(1):
                return
            self.line.wait(1)

    def items(self, name: str = "p-1") -> str:
        return "".join(sorted(item for (_, item), count in self.used(name).items() for _ in range(count)))

    def again(self, *positions: int) -> None:
        """A person has messages worked again."""
        now = self.line.now()
        wishes = [Replay(os.urandom(16), each, "usage", "", now, "tester", "", "{}") for each in positions]
        self.line.store.write(Change(replays=wishes))
        self.line.look()

    def fix(self, hold: Hold, **decided: object) -> None:
        """A person has fixed an exception."""
        wish = Replay(
            hold.id, hold.position, hold.channel, hold.place, self.line.now(), "tester", "", encode_decision(decided)
        )
        change = HoldChange("fixed", "", "it is right now", self.line.now(), hold.id)
        self.line.store.write(Change(hold_changes=[change], replays=[wish]))
        self.line.look()

    def open_holds(self) -> list[Hold]:
        holds = self.line.store.holds(states=("new", "assigned", "parked"), limit=100)
        return sorted(holds, key=lambda hold: (hold.position, hold.place))


@pytest.fixture(scope="module")
def module_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    yield from _line(tmp_path_factory.mktemp("versions"))


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    for line in _line(tmp_path):
        yield Feed(line)


def _line(root: Path) -> Iterator[Line]:
    line = new_line(root, f"sqlite:///{root}/casecart.db", channel=CHANNEL, mapping=MAPPING)
    (root / "mappings" / "tables" / "action.csv").write_text(TABLE, "utf-8")
    line.stop()
    line = Line(root, f"sqlite:///{root}/casecart.db")
    line.start()
    yield line
    assert line.broken == []
    line.stop()


VERSIONS: Final = st.lists(
    st.tuples(
        st.sampled_from(["completed", "completed", "completed", "entered-in-error", "in-progress"]),
        st.sampled_from(["e-1", "e-1", "e-2"]),
        st.dictionaries(st.sampled_from("ABC"), st.sampled_from(["implanted", "implanted", "explanted"])),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(versions=VERSIONS, data=st.data())
def test_at_rest_what_the_newest_final_version_names_is_used_whatever_came_when(
    module_line: Line, versions: list[tuple[str, str, dict[str, str]]], data: st.DataObject
) -> None:
    feed = Feed(module_line)
    feed.sent = 10_000 + module_line.counts()["received"] + module_line.counts()["duplicate"]
    name = f"p-{feed.sent}"
    told = [
        Told(number, sorted(devices.items()), status=status, encounter=encounter)
        for number, (status, encounter, devices) in enumerate(versions)
    ]
    order = data.draw(st.permutations([*told, *data.draw(st.lists(st.sampled_from(told), max_size=3))]), "order")
    for each in order:
        feed.give(each, name=name, settle=data.draw(st.booleans(), "answered at once"))
        if data.draw(st.integers(0, 3), "worked again") == 0:
            last = module_line.store.messages_after(0, 100_000)[-1].position
            feed.again(max(1, last - data.draw(st.integers(0, 2), "how long ago it came")))
        if data.draw(st.integers(0, 5), "an outage") == 0:
            module_line.script.answers.append(lambda _: NotDelivered("refused", "Nobody is there."))
    feed.rest()
    final = [each for each in told if each.status != "in-progress"]
    wanted = (
        sorted(device for device, action in final[-1].devices if action == "implanted")
        if final and final[-1].status == "completed"
        else []
    )
    assert list(feed.items(name)) == wanted
    assert len({case for case, _ in feed.used(name)}) <= 1
    assert feed.open_holds() == []
    assert module_line.balance() == (0, 0)
    assert (module_line.counts()["waiting"], module_line.broken) == (0, [])


def test_a_device_that_a_newer_version_leaves_out_is_taken_back_at_a_place_of_its_own(feed: Feed) -> None:
    feed.give(named(1, "AB"))
    position = feed.give(named(2, "B"))
    assert feed.items() == "B"
    (run,) = feed.line.store.runs(position)
    made = [(place, line, usage.action) for place, line, usage in decode_made(run.documents).documents]
    assert made == [
        ("Bundle.entry[0].resource.focalDevice[0]", "p-1/B", "use"),
        ("Bundle.entry[0].resource#p-1/A", "p-1/A", "reverse"),
    ]


def test_a_version_without_any_device_takes_all_back_also_before_an_older_one_comes(feed: Feed) -> None:
    feed.give(named(3))
    position = feed.give(named(2, "AB"))
    assert feed.items() == ""
    (run,) = feed.line.store.runs(position)
    reasons = {reason for _, reason in decode_made(run.documents).filtered}
    assert reasons == {"a newer version of the resource doesn't name it"}
    feed.give(named(4, "A"))
    assert feed.items() == "A"


def test_a_device_that_is_said_to_be_explanted_after_all_is_taken_back(feed: Feed) -> None:
    feed.give(named(1, "AB"))
    feed.give(Told(2, [("A", "explanted"), ("B", "implanted")]))
    assert feed.items() == "B"


def test_a_version_that_is_not_final_takes_nothing_back(feed: Feed) -> None:
    feed.give(named(1, "AB"))
    feed.give(named(2, status="in-progress"))
    assert feed.items() == "AB"


def test_what_is_moved_to_another_encounter_is_taken_back_from_the_first(feed: Feed) -> None:
    feed.give(named(1, "A"))
    feed.give(named(2, "A", encounter="e-2"))
    postings = [msgspec.json.decode(each.payload) for each in feed.line.postings()]
    assert sorted(each["action"] for each in postings) == ["reverse", "use", "use"]
    assert feed.items() == "A"


def test_a_resource_says_nothing_of_another_one_in_the_same_message(feed: Feed) -> None:
    feed.give(named(1, "A"), name="p-1")
    feed.give(named(1, "B"), name="p-2")
    feed.sent += 1
    feed.take(
        {
            "resourceType": "Bundle",
            "type": "subscription-notification",
            "entry": [{"resource": named(2).resource("p-1")}, {"resource": named(2, "BC").resource("p-2")}],
        }
    )
    assert (feed.items("p-1"), feed.items("p-2")) == ("", "BC")


def test_a_version_with_a_line_that_nobody_can_read_takes_nothing_back_until_that_is_mended(tmp_path: Path) -> None:
    feed = Feed(next(_line(tmp_path)))
    feed.give(named(1, "ABC"))
    told = named(2, "B").resource()
    told["focalDevice"].append({"action": {"text": "implanted"}, "manipulated": {"reference": "C"}})  # without an item
    feed.sent += 1
    feed.take(told)
    (hold,) = feed.open_holds()
    assert (hold.code, feed.items()) == ("missing", "ABC")
    mapping = tmp_path / "mappings" / "usage.yaml"
    text = mapping.read_text("utf-8").replace("path: manipulated.display,", "path: manipulated.reference,")
    feed.line.stop()
    mapping.write_text(text, "utf-8")
    feed.line = Line(tmp_path, feed.line.url)
    feed.line.start()
    feed.fix(hold)
    assert (feed.items(), feed.open_holds()) == ("BC", [])
    feed.line.stop()


def test_a_line_that_the_newest_version_names_and_that_is_held_is_not_taken_back(feed: Feed) -> None:
    feed.give(named(1, "AB"))
    feed.give(named(2, "A", more={"location": {"display": "HOLD"}}))
    assert [(hold.place, hold.code) for hold in feed.open_holds()] == [
        ("Bundle.entry[0].resource.focalDevice[0]", "held-by-route")
    ]
    assert feed.items() == "A"


def test_a_line_that_was_held_and_is_left_out_since_says_nothing_when_it_is_worked_again(feed: Feed) -> None:
    feed.give(named(1, "AB", more={"location": {"display": "HOLD"}}))
    feed.give(named(2, "B"))
    for hold in feed.open_holds():
        feed.fix(hold)
    assert feed.items() == "B"
    assert [hold.place for hold in feed.open_holds()] == ["Bundle.entry[0].resource.focalDevice[1]"]
    assert feed.line.balance() == (0, 0)


def test_a_version_that_may_mean_something_else_asks_about_what_it_does_not_name(feed: Feed) -> None:
    feed.give(named(1, "A"))
    feed.give(named(2, more={"modifierExtension": [{"url": "http://example.org/not"}]}))
    assert [(hold.place, hold.code) for hold in feed.open_holds()] == [
        ("Bundle.entry[0].resource#p-1/A", "modifier-extension")
    ]
    assert feed.items() == "A"
    feed.give(named(3, "A"))
    assert feed.items() == "A"


def test_a_deleted_resource_is_a_question_for_a_person_who_may_take_it_back(feed: Feed) -> None:
    feed.give(named(1, "AB"))
    feed.give(deleted=2)
    holds = feed.open_holds()
    assert [(hold.place, hold.code) for hold in holds] == [
        ("Bundle.entry[0]#p-1/A", "resource-deleted"),
        ("Bundle.entry[0]#p-1/B", "resource-deleted"),
    ]
    assert feed.items() == "AB"
    for hold in holds:
        feed.fix(hold, accept=["resource-deleted"])
    assert (feed.items(), feed.open_holds()) == ("", [])
    feed.give(named(1, "AB"))
    assert feed.items() == ""


def test_a_deletion_is_asked_about_once_and_not_at_all_where_nothing_is_used(feed: Feed) -> None:
    feed.give(deleted=2)
    assert feed.open_holds() == []
    feed.give(named(1, "A"), name="p-2")
    feed.give(named(1, "A"), name="p-2", deleted=2)
    feed.give(named(1, "A"), name="p-2", deleted=2)
    assert [hold.code for hold in feed.open_holds()] == ["resource-deleted"]
    assert feed.items("p-2") == "A"


def test_a_version_after_the_deletion_says_what_is_used(feed: Feed) -> None:
    feed.give(named(1, "A"))
    feed.give(named(3, "AB"), deleted=2)
    assert (feed.items(), feed.open_holds()) == ("AB", [])


def test_what_is_taken_back_waits_for_the_answer_to_what_was_posted(feed: Feed) -> None:
    feed.line.script.answers = [lambda _: NotDelivered("refused", "Nobody is there.")] * 2
    feed.give(named(1, "AB"))
    feed.give(named(2, "B"))
    assert feed.line.counts()["waiting"] == 2
    feed.rest()
    assert feed.items() == "B"
    assert (feed.line.balance(), feed.line.counts()["waiting"]) == ((0, 0), 0)


def test_versions_outlive_a_restart(tmp_path: Path) -> None:
    feed = Feed(next(_line(tmp_path)))
    feed.give(named(1, "AB"))
    feed.line.crash()
    feed.line = Line(tmp_path, feed.line.url)
    feed.line.start()
    feed.give(named(3, "B"))
    feed.give(named(2, "A"))
    assert feed.items() == "B"
    feed.line.stop()


def test_a_version_of_a_day_that_is_to_come_takes_nothing_back_of_those_that_come_until_then(feed: Feed) -> None:
    of_2099 = {"meta": {"versionId": "1", "lastUpdated": "2099-01-01T00:00:00Z"}}
    feed.give(named(1, "A", more=of_2099))
    feed.line.wait(1)
    now = datetime.fromtimestamp(feed.line.now() / 1e6, UTC)
    feed.give(named(2, "AB", more={"meta": {"versionId": "2", "lastUpdated": now.isoformat()}}))
    assert feed.items() == "AB"
