"""The story of a line as `casecart line show` tells it, with a real store."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from casecart.cli.main import run
from casecart.commands.actor import Actor
from casecart.commands.desk import Desk
from casecart.commands.line import ShowLine
from casecart.commands.message import AmbiguousReference
from casecart.commands.refusal import Refusal
from casecart.commands.site import Site
from casecart.runtime.destination import Answer, Delivery, OutcomeUnknown
from casecart.runtime.dispatcher import Limits
from casecart.runtime.marks import FINGERPRINT
from casecart.store import Change, Cursor, Hold, HoldChange, Replay
from support.line import CHANNEL, ENGINE, MAPPING, SECRET, Line, Script, dft, new_line, write_workspace
from support.log_row import message
from support.store import new_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from casecart.commands.line_view import LineStory
    from casecart.runtime.destination import Posting

FIELDS = """\
  item: {path: FT1-7.1, optional: true}
  lot: {path: FT1-7.2, optional: true}
"""
NUMBERED = MAPPING.replace("  item: {path: FT1-7.1, optional: true}\n", FIELDS)


def ledger(
    tmp_path: Path, *, says: str = "transactions", repeat: str = "", script: Script | None = None, tries: int = 10
) -> Line:
    """A line whose workspace the command can read; items and lots are told as components of the code."""
    mapping = NUMBERED.replace("says: transactions\n", f"says: {says}\n" + (f"repeat: {repeat}\n" if repeat else ""))
    line = new_line(
        tmp_path,
        f"sqlite:///{tmp_path}/casecart.db",
        mapping=mapping,
        script=script or Script(),
        limits=Limits(tries=tries),
    )
    return readable(line)


def readable(line: Line) -> Line:
    """Its secrets are where its configuration says, and so is its store."""
    for name in ("keys", "tokens"):
        (line.root / name).write_text(SECRET, "utf-8")
    (line.root / "config/engine.yaml").write_text(f"{ENGINE}store: sqlite:///casecart.db\n", "utf-8")
    return line


def tell(line: Line, *told: str, case: str = "V1") -> None:
    """Messages, each in a turn of its own, and time for what waits."""
    for text in told:
        line.send(dft(f"M{len(line.outcomes()) + 1}", case, lines=text.split(" + ")))
    line.look()


def story(line: Line, reference: str, place: str | None = None, channel: str | None = None) -> LineStory:
    """What the command is told."""
    site = Site(
        root=line.root, organisation="MERCY", store_url=line.url, store_place="a file", time_zones={}, listeners={},
        destinations={},
    )  # fmt: skip
    desk = Desk(site=site, store=line.store, actor=Actor("alice", frozenset({"see"})), now=line.now)
    return desk.ask(ShowLine(reference=reference, place=place, channel=channel))


def said(told: LineStory) -> list[tuple[object, ...]]:
    """Position, how many, what became of it and as which line it was told, of every statement."""
    return [(each.position, each.quantity, each.became, each.told_as) for each in told.statements]


def sums(told: LineStory) -> dict[str, tuple[int, ...]]:
    """Stated, confirmed, on its way, due, by item."""
    return {
        each.thing["item"]: (int(each.stated), int(each.confirmed), int(each.on_its_way), int(each.due))
        for each in told.sums
    }


def wish(line: Line, hold: Hold, outcome: str) -> None:
    """A person says what is to become of a posting that its destination did not take."""
    replay = Replay(
        hold.id, hold.position, hold.channel, hold.place, line.now(), "kim", "", json.dumps({"outcome": outcome})
    )
    changed = HoldChange("fixed", "", "counted", line.now(), hold.id)
    line.store.write(Change(hold_changes=[changed], replays=[replay]))
    line.look()


def not_taken(postings: Sequence[Posting]) -> list[Answer]:
    return [Answer("held", code="not-enough-stock", words="There is not enough.") for _ in postings]


@pytest.mark.parametrize(
    ("told", "reference", "statements", "amounts"),
    [
        (["1|CG|A|3|OR"], "1", [(1, 3, "counts", "1")], {"A": (3, 3, 0, 0)}),
        (["1|CG|A|3|OR", "1|CD|A|1|OR"], "1", [(1, 3, "counts", "1"), (2, -1, "counts", "1")], {"A": (2, 2, 0, 0)}),
        (["1|CG|A|3|OR", "1|CD|A|1|OR"], "2", [(1, 3, "counts", "1"), (2, -1, "counts", "1")], {"A": (2, 2, 0, 0)}),
        # a credit with an id of its own: its place leads to the line it was taken for
        (["1|CG|A|3|OR", "9|CD|A|1|OR"], "2", [(1, 3, "counts", "1"), (2, -1, "counts", "9")], {"A": (2, 2, 0, 0)}),
        (
            ["9|CD|A^L|1|OR", "1|CG|A^L|3|OR"],
            "1",
            [(1, -1, "counts", "9"), (2, 3, "counts", "1")],
            {"A": (2, 2, 0, 0)},
        ),
        # what was not taken stands beside what was
        (["1|CG|A|3|OR", "1|CG|A|3|OR"], "1", [(1, 3, "counts", "1"), (2, 3, "held", "1")], {"A": (3, 3, 0, 0)}),
        (["1|CG|A|3|OR", "1|CG|A|3|OR"], "2", [(1, 3, "counts", "1"), (2, 3, "held", "1")], {"A": (3, 3, 0, 0)}),
        (["1|CG|A|3|OR", "1|CD|A|4|OR"], "2", [(1, 3, "counts", "1"), (2, -4, "held", "1")], {"A": (3, 3, 0, 0)}),
        (["1|CG|A|0|OR"], "1", [(1, 0, "counts", "1")], {"A": (0, 0, 0, 0)}),
    ],
)
def test_every_statement_about_a_line_is_told_and_what_it_comes_to(
    tmp_path: Path, told: list[str], reference: str, statements: list[object], amounts: dict[str, object]
) -> None:
    line = ledger(tmp_path)
    tell(line, *told)
    found = story(line, reference)
    assert (found.line, found.stands, said(found), sums(found)) == ("1", "even", statements, amounts)


def test_a_state_that_was_replaced_is_told_as_such(tmp_path: Path) -> None:
    line = ledger(tmp_path, says="state")
    tell(line, "1|CG|A|3|OR", "1|CG|B|2|OR")
    found = story(line, "1")
    assert said(found) == [(1, 3, "replaced", "1"), (2, 2, "counts", "1")]
    assert sums(found) == {"A": (0, 0, 0, 0), "B": (2, 2, 0, 0)}


def test_a_second_charge_that_only_repeats_adds_nothing(tmp_path: Path) -> None:
    line = ledger(tmp_path, repeat="duplicate")
    tell(line, "1|CG|A|3|OR", "1|CG|A|3|OR")
    assert said(story(line, "2")) == [(1, 3, "counts", "1"), (2, 3, "adds nothing", "1")]


def test_a_statement_comes_with_the_bytes_that_it_stands_in(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A|3|OR + 2|CG|B|1|OR")
    (statement,) = story(line, "1", "FT1[2]").statements
    stored, segment = line.store.message(1), statement.segment
    assert stored is not None
    assert segment is not None
    bare = stored.body[segment.offset : segment.offset + segment.length]
    assert (statement.control_id, statement.place, bare.split(b"|")[:3]) == ("M1", "FT1[2]", [b"FT1", b"2", b"2"])


def test_a_statement_names_the_postings_that_it_made_due(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A|3|OR", "1|CD|A|1|OR")
    found = story(line, "1")
    assert [each.postings for each in found.statements] == [[posting.key] for posting in line.postings()]


def test_a_posting_is_told_with_its_key_its_states_and_what_the_destination_answered(tmp_path: Path) -> None:
    script = Script()
    script.answers = [lambda _: [Answer("posted", "read back", "MOVE-7")]]
    line = ledger(tmp_path, script=script)
    tell(line, "1|CG|A|3|OR", "1|CD|A|1|OR")
    use, reverse = story(line, "1").postings
    assert [use.key, reverse.key] == [posting.key for posting in line.postings()]
    assert (use.action, str(use.quantity), use.destination, use.revision) == ("use", "3", "erp", 1)
    assert (use.proof, use.reference) == ("read back", "MOVE-7")
    assert (reverse.action, str(reverse.quantity), reverse.reverses, reverse.revision) == ("reverse", "1", use.key, 2)
    assert [state.state for state in use.history] == ["planned", "sent", "posted"]


def test_what_was_not_taken_is_held_with_the_exception_that_waits(tmp_path: Path) -> None:
    script = Script()
    script.answers = [not_taken]
    line = ledger(tmp_path, script=script)
    tell(line, "1|CG|A|3|OR")
    found = story(line, "1")
    (posting,), (exception,) = found.postings, found.exceptions
    assert (found.stands, sums(found)) == ("held", {"A": (3, 0, 0, 3)})
    assert (posting.effect, posting.code, posting.words) == ("none", "not-enough-stock", "There is not enough.")
    assert (posting.exceptions, exception.state, exception.key) == ([exception.id], "new", posting.key)


def test_what_was_held_and_sent_again_is_told_whole(tmp_path: Path) -> None:
    script = Script()
    script.answers = [not_taken]
    line = ledger(tmp_path, script=script)
    tell(line, "1|CG|A|3|OR")
    (hold,) = line.store.holds()
    wish(line, hold, "again")
    found = story(line, "1")
    assert [(each.revision, each.state, each.effect) for each in found.postings] == [
        (1, "held", "none"),
        (2, "posted", "done"),
    ]
    assert (found.stands, [each.state for each in found.exceptions]) == ("even", ["fixed"])


def test_a_posting_that_a_person_rejected_leaves_its_line_rejected(tmp_path: Path) -> None:
    script = Script()
    script.answers = [not_taken]
    line = ledger(tmp_path, script=script)
    tell(line, "1|CG|A|3|OR")
    (hold,) = line.store.holds()
    line.store.write(Change(hold_changes=[HoldChange("rejected", "", "no", line.now(), hold.id)]))
    assert story(line, "1").stands == "rejected"


def test_what_is_on_its_way_is_not_due_as_well(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    line.dispatcher.pause(paused=True)
    tell(line, "1|CG|A|3|OR", "1|CD|A|1|OR")
    found = story(line, "2")
    assert (found.stands, sums(found)) == ("on its way", {"A": (2, 0, 3, -1)})


def test_what_is_due_and_not_posted_yet_is_told_as_due(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    line.dispatcher.pause(paused=True)
    tell(line, "1|CG|A|3|OR", "1|CD|A|1|OR")
    line.dispatcher.pause(paused=False)
    line.settle()  # the engine has not looked again
    found = story(line, "2")
    assert (found.stands, sums(found)) == ("due", {"A": (2, 3, 0, -1)})


def given_up(tmp_path: Path) -> tuple[Line, Hold]:
    """A posting of which nobody knows what became of it, while the destination answers others."""
    script = Script(Delivery.BLIND)

    def lost(postings: Sequence[Posting]) -> Sequence[Answer] | Exception:
        if any(b'"item":"A"' in posting.payload for posting in postings):
            return OutcomeUnknown("time-out", "No answer came in time.")
        return [Answer("posted", "acknowledged") for _ in postings]

    script.answers = [lost] * 200
    line = ledger(tmp_path, script=script, tries=2)
    tell(line, "1|CG|A|3|OR")
    for number in range(2, 6):
        tell(line, "1|CG|B|1|OR", case=f"V{number}")
        line.wait(120)
    (hold,) = line.store.holds()
    script.answers = []
    return line, hold


def test_what_nobody_knows_is_in_no_other_sum(tmp_path: Path) -> None:
    line, _ = given_up(tmp_path)
    found = story(line, "1")
    assert (found.stands, sums(found), [int(each.unsure) for each in found.sums]) == (
        "unsure",
        {"A": (3, 0, 0, 3)},
        [3],
    )


def test_what_a_person_found_out_is_told_with_why_and_counts(tmp_path: Path) -> None:
    line, hold = given_up(tmp_path)
    wish(line, hold, "posted")
    found = story(line, "1")
    verdict = found.postings[0].verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.reason, verdict.at is not None) == ("posted", "counted", True)
    assert (found.postings[0].state, found.postings[0].effect) == ("held", "done")
    assert (found.stands, sums(found)) == ("even", {"A": (3, 3, 0, 0)})


def test_a_credit_that_waits_for_its_charge_is_told_by_its_own_place(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    tell(line, "9|CD|A^L|1|OR")
    found = story(line, "1")
    (credit,), (exception,) = found.waiting, found.exceptions
    assert (found.line, found.stands, found.statements, found.postings) == ("9", "waiting", [], [])
    assert (str(credit.quantity), credit.became, credit.exceptions) == ("-1", "waits", [exception.id])


def test_credits_of_the_case_that_wait_are_told_with_each_of_its_lines(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A|3|OR", "9|CD|B|1|OR")
    assert [each.told_as for each in story(line, "1").waiting] == ["9"]


def test_a_credit_that_waited_names_the_message_of_its_charge(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    tell(line, "9|CD|A^L|1|OR", "1|CG|A^L|3|OR")
    found = story(line, "2")
    assert ([each.linked_by for each in found.statements], found.waiting) == ([2, None], [])


def test_a_line_of_another_case_with_the_same_id_is_another_story(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A|3|OR")
    tell(line, "1|CG|A|1|OR", "1|CG|A|1|OR", case="V2")
    found = story(line, "1")
    assert (said(found), found.exceptions) == ([(1, 3, "counts", "1")], [])


def test_a_line_that_was_held_before_the_ledger_is_told_with_its_exception(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A|3|HOLD")
    found = story(line, "1")
    assert (found.stands, said(found)) == ("not taken", [(1, 3, "held", "1")])
    assert [each.code for each in found.exceptions] == ["held-by-route"]


def test_a_line_that_a_person_rejected_is_told_as_rejected(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A|3|HOLD")
    (hold,) = line.store.holds()
    line.store.write(Change(hold_changes=[HoldChange("rejected", "", "no", line.now(), hold.id)]))
    assert said(story(line, "1")) == [(1, 3, "rejected", "1")]


@pytest.mark.parametrize(
    ("reference", "place"),
    [("1", "FT1[2]"), ("#1", " ft1[2] "), ("M1", "2"), ("M1#FT1[2]", None), ("M1#ft1[2]", None)],
)
def test_a_line_is_found_by_its_message_and_place_or_by_the_source_of_a_payload(
    tmp_path: Path, reference: str, place: str | None
) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A|3|OR + x|CG|B|1|OR")
    assert story(line, reference, place).line == "x"


def test_the_source_in_a_payload_leads_to_its_line(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A|3|OR + x|CG|B|1|OR")
    payload = msgspec.json.decode(line.postings()[1].payload)
    assert story(line, payload["source"]).line == "x"


@pytest.mark.parametrize(
    ("reference", "place", "code", "words"),
    [
        ("99", None, "not-found", "no message has"),
        ("M9#FT1[1]", None, "not-found", "no message has"),
        (f"{'0a' * 16}.1", None, "not-found", "is a posting's key, .* name the source that its payload has"),
        ("1", "FT1[9]", "not-found", r"message 1 has no place 'FT1\[9\]'; it has FT1\[1\] \(line 1\), FT1\[2\]"),
        ("1", "9" * 5000, "not-found", "has no place"),
        ("1", "", "not-found", "has no place"),
        ("1", None, "ambiguous", r"2 lines; name one by its place: FT1\[1\] \(line 1\), FT1\[2\] \(line x\)$"),
        ("1", "FT1[3]", "not-found", "states nothing: channel usage filtered it"),
        ("2", None, "not-found", "all of it was filtered"),
        ("3", None, "not-found", r"could not be read as a line \(.*, exception .*, new\)"),
        ("4", None, "not-found", "message 4 has no lines"),
    ],
)
def test_what_no_line_is_known_by_is_refused(
    tmp_path: Path, reference: str, place: str | None, code: str, words: str
) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A|3|OR + x|CG|B|1|OR + 3|PY|A|1|OR", "1|PY|A|1|OR", "1|CG|A|many|OR")
    line.send(dft("M4", lines=[]))
    with pytest.raises(Refusal, match=words) as refused:
        story(line, reference, place)
    assert refused.value.code == code


def test_a_control_id_that_several_messages_have_is_refused_with_them(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    line.send(dft("M1", lines=["1|CG|A|3|OR"]), dft("M1", lines=["2|CG|A|3|OR"]))
    with pytest.raises(AmbiguousReference):
        story(line, "M1#FT1[1]")


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("waiting", "waits to be worked: it has stated nothing yet"),
        ("unrouted", "no channel took it"),
        ("refused", "it was refused"),
        ("quarantined", "was put aside before it stated anything"),
    ],
)
def test_a_message_that_no_channel_worked_has_no_lines(tmp_path: Path, outcome: str, words: str) -> None:
    line = ledger(tmp_path)
    line.store.write(Change(messages=[message(1, outcome=outcome)]))
    with pytest.raises(Refusal, match=f"message 1 .*{words}"):
        story(line, "1")


def test_what_the_ledger_lacks_is_not_looked_for_with_another_secret(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A|3|OR", "1|CG|A|3|OR")
    line.store.write(Change(cursors=[Cursor(FINGERPRINT, 0, 4711, 0)]))
    with pytest.raises(Refusal, match="the secret of keys is not the one"):
        story(line, "2")


def test_what_the_ledger_lacks_is_not_looked_for_without_the_secret(tmp_path: Path) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A|3|OR", "1|CG|A|3|OR")
    (tmp_path / "keys").unlink()
    with pytest.raises(Refusal, match="the file keys could not be read"):
        story(line, "2")


@pytest.fixture
def two_channels(tmp_path: Path) -> Line:
    """Channels that take the same message for lines of different ids, and one of them only its credits."""
    write_workspace(tmp_path, mapping=NUMBERED)
    other = NUMBERED.replace("mapping: usage", "mapping: other").replace("line: {path: FT1-2", "line: {path: FT1-1")
    (tmp_path / "mappings/other.yaml").write_text(other.replace("in ['use', 'reverse']", "== 'reverse'"), "utf-8")
    channel = CHANNEL.replace("channel: usage", "channel: other").replace("map: usage", "map: other")
    (tmp_path / "channels/other.yaml").write_text(channel, "utf-8")
    url = f"sqlite:///{tmp_path}/casecart.db"
    new_store(url)
    return readable(Line(tmp_path, url).start())


def test_a_place_of_which_channels_made_different_lines_needs_the_channel(two_channels: Line) -> None:
    tell(two_channels, "x|CD|A|1|OR")
    with pytest.raises(Refusal, match="name one with --channel: other, usage") as refused:
        story(two_channels, "1")
    assert refused.value.code == "ambiguous"
    assert story(two_channels, "1", channel="usage").line == "x"


def test_a_channel_that_filtered_a_place_is_passed_over(two_channels: Line) -> None:
    tell(two_channels, "x|CG|A|1|OR")
    assert story(two_channels, "1").line == "x"


def test_a_channel_that_there_is_not_is_refused_with_the_one_that_was_meant(two_channels: Line) -> None:
    tell(two_channels, "x|CG|A|1|OR")
    with pytest.raises(Refusal, match=r"made nothing of FT1\[1\] of message 1. Did you mean 'usage'"):
        story(two_channels, "1", channel="usages")


def printed(capsys: pytest.CaptureFixture[str], line: Line, *typed: str) -> str:
    assert run(["line", "show", *typed, "-w", str(line.root)]) == 0
    return capsys.readouterr().out


HOSTILE = "\x1b[31m1\u202e\x07"


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_a_hostile_line_id_commands_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    line = ledger(tmp_path)
    tell(line, f"{HOSTILE}|CG|A{HOSTILE}|3|OR", f"{HOSTILE}|CG|A{HOSTILE}|3|OR")
    out = printed(capsys, line, "2", *option)
    assert [sign for sign in out if not sign.isprintable() and sign != "\n"] == []


def test_a_hostile_line_id_is_the_same_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ledger(tmp_path)
    tell(line, f"{HOSTILE}|CG|A|3|OR", f"{HOSTILE}|CG|A|3|OR")
    document = json.loads(printed(capsys, line, "2", "--json"))
    assert (document["line"], len(document["statements"])) == (HOSTILE, 2)


def test_a_refusal_with_a_hostile_line_id_commands_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ledger(tmp_path)
    tell(line, f"{HOSTILE}|CG|A|3|OR + 2|CG|A|3|OR")
    assert run(["line", "show", "1", "-w", str(tmp_path)]) == 1
    err = capsys.readouterr().err
    assert ("\\x1b[31m1" in err, "\x1b" in err) == (True, False)


def test_a_usual_line_is_told_on_one_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A^L1|3|OR", "9|CD|A^L1|1|OR")
    out = printed(capsys, line, "2").splitlines()
    assert len(out) <= 24
    assert max(map(len, out)) <= 120


def test_people_are_told_what_programs_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A^L1|3|OR", "9|CD|A^L1|1|OR", "1|CG|A^L1|2|OR")
    out = printed(capsys, line, "M2")
    (held,) = line.store.holds()
    for words in (
        "confirmed as it was stated; 1 statement beside that not taken",
        "charge 3  A lot L1  counts",
        "*2  M2",
        "credit 1  A lot L1  counts, told as line 9",
        "use 2     A lot L1  held",
        f"reverse 1 A lot L1 of {line.postings()[0].key}",
        "repeated-charge (new)",
        held.id.hex()[-12:],
    ):
        assert words in out


def test_the_document_has_the_keys_that_it_always_had(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = Script()
    script.answers = [not_taken]
    line = ledger(tmp_path, script=script)
    tell(line, "1|CG|A^L1|3|OR")
    document = json.loads(printed(capsys, line, "1", "--json"))

    def keys(value: dict[str, Any]) -> str:
        return " ".join(value)

    assert keys(document) == (
        "facility case line stands position place statements waiting postings sums exceptions not_all_exceptions"
    )
    assert keys(document["statements"][0]) == (
        "position control_id recorded_at channel place segment body_deleted told_as action quantity replaces became "
        "linked_by destination document postings exceptions"
    )
    assert keys(document["statements"][0]["segment"]) == "path number offset length"
    assert keys(document["postings"][0]) == (
        "key revision position channel place sequence destination kind action quantity reverses state effect attempts "
        "proof reference code words group history document verdict exceptions"
    )
    assert keys(document["sums"][0]) == "destination thing stated confirmed on_its_way unsure due"
    assert document["sums"][0]["thing"] == {"item": "A", "lot": "L1"}
    assert Decimal(document["sums"][0]["due"]) == 3


def test_nothing_of_the_patient_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ledger(tmp_path)
    tell(line, "1|CG|A|3|OR", "1|CG|A|3|OR", case="CASE-4711")
    out = printed(capsys, line, "2") + printed(capsys, line, "2", "--json")
    assert [secret for secret in ("CASE-4711", "MRN0001") if secret in out] == []


def test_things_that_look_alike_are_told_apart_by_all_of_their_fields(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mapping = MAPPING.replace("says: transactions\n", "says: state\n")
    mapping += "  unit: {path: FT1-2, optional: true}\n"
    write_workspace(tmp_path, mapping=mapping.replace("line: {path: FT1-2", "line: {path: FT1-1"))
    new_store(f"sqlite:///{tmp_path}/casecart.db")
    line = readable(Line(tmp_path, f"sqlite:///{tmp_path}/casecart.db").start())
    tell(line, "EA|CG|A|3|OR", "BX|CG|A|1|OR")
    out = printed(capsys, line, "1")
    assert [words in out for words in ("item A unit EA ", "item A unit BX ")] == [True, True]
