"""A whole message worked again: what was posted stays, what differs is flagged, what was missing is made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from casecart.canonical.master import Identifier, Item
from casecart.store import Change, Replay
from support.line import CHANNEL, MAPPING, Line, dft, new_line, write_workspace
from support.master import publish

if TYPE_CHECKING:
    from pathlib import Path

THREE = dft("M1", lines=["1|CG|A|3|OR", "2|CG|B|1|HOLD", "3|PY|C|1|OR"])


def changed(
    tmp_path: Path, *messages: bytes, first: str = MAPPING, channel: str = CHANNEL, mapping: str = MAPPING
) -> Line:
    """Messages that were worked; then the workspace is another one, and each of them is worked again."""
    url = f"sqlite:///{tmp_path}/casecart.db"
    before = new_line(tmp_path, url, mapping=first)
    before.send(*messages)
    before.stop()
    write_workspace(tmp_path, channel=channel, mapping=mapping)
    line = Line(tmp_path, url).start()
    again(line, len(messages))
    return line


def again(line: Line, messages: int = 1, channel: str = "usage") -> None:
    now = line.now()
    wishes = [Replay(os.urandom(16), each, channel, "", now, "tester", "", "{}") for each in range(1, messages + 1)]
    line.store.write(Change(replays=wishes))
    line.look()


def waiting(line: Line) -> list[tuple[str, str, str]]:
    found = line.store.holds(states=("new", "assigned", "parked"))
    return sorted((hold.kind, hold.place, hold.code) for hold in found)


def posted(line: Line) -> list[tuple[str, int, str]]:
    return [(posting.line, posting.revision, posting.state) for posting in line.postings()]


def test_the_same_again_changes_nothing(tmp_path: Path) -> None:
    line = changed(tmp_path, THREE)
    assert (posted(line), waiting(line)) == ([("1", 1, "posted")], [("held", "FT1[2]", "held-by-route")])
    assert line.balance() == (0, 0)


def test_what_a_mended_channel_posts_is_posted(tmp_path: Path) -> None:
    line = changed(tmp_path, THREE, channel=CHANNEL.replace("'HOLD'", "'NEVER'"))
    assert (posted(line), waiting(line)) == ([("1", 1, "posted"), ("2", 1, "posted")], [])
    assert line.balance() == (0, 0)


def test_what_was_left_out_and_is_wanted_today_is_posted(tmp_path: Path) -> None:
    credits_only = MAPPING.replace("action in ['use', 'reverse']", "action == 'reverse'")
    line = changed(tmp_path, THREE, first=credits_only)
    assert (posted(line), waiting(line)) == ([("1", 1, "posted")], [("held", "FT1[2]", "held-by-route")])
    assert line.balance() == (0, 0)


@pytest.mark.parametrize(
    "mapping",
    [
        MAPPING.replace("line: {path: FT1-2,", "line: {path: FT1-1,").replace("FT1-7.1", "FT1-13.1"),
        MAPPING.replace("item: {path: FT1-7.1", "item: {path: FT1-13.1"),
        MAPPING.replace("{path: FT1-10, type", "{path: FT1-1, type"),
        MAPPING.replace("where: \"action in ['use', 'reverse']\"", "where: \"action == 'reverse'\""),
        MAPPING.replace("item: {path: FT1-7.1, optional: true}", "item: {path: FT1-20, required: true}"),
    ],
    ids=["another line", "another item", "another quantity", "left out", "no item"],
)
def test_a_posted_line_that_is_another_one_today_is_flagged_and_not_posted(tmp_path: Path, mapping: str) -> None:
    line = changed(tmp_path, dft("M1", lines=["7|CG|A|3|OR"]), mapping=mapping)
    assert posted(line) == [("7", 1, "posted")]
    assert [(kind, place) for kind, place, _ in waiting(line)] == [("flagged", "FT1[1]")]
    assert line.balance() == (0, 0)


def test_a_credit_worked_again_is_the_credit_that_it_was(tmp_path: Path) -> None:
    line = changed(tmp_path, dft("M1", lines=["1|CG|A|3|OR"]), dft("M2", lines=["9|CD|A|1|OR"]))
    assert (posted(line), waiting(line)) == ([("1", 1, "posted"), ("1", 2, "posted")], [])
    assert line.balance() == (0, 0)


def test_a_message_that_no_channel_wanted_is_offered_to_them_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/casecart.db"
    before = new_line(tmp_path, url, channel=CHANNEL.replace("DFT^P03", "DFT^P11"))
    before.send(THREE)
    before.stop()
    write_workspace(tmp_path)
    line = Line(tmp_path, url).start()
    again(line, channel="")
    line.wait(1)
    assert (line.outcomes(), posted(line)) == ({"M1": "processed"}, [("1", 1, "posted")])
    assert line.balance() == (0, 0)


STEPS = """\
  - map: usage
  - resolve: {item: {order: [charge_code]}}
"""


def test_lines_whose_items_are_known_now_are_posted_beside_those_that_were(tmp_path: Path) -> None:
    channel = CHANNEL.replace("  - map: usage\n", STEPS)
    mapping = MAPPING.replace("  item: {path", "  charge_code: {path")
    line = new_line(tmp_path, f"sqlite:///{tmp_path}/casecart.db", channel=channel, mapping=mapping)
    publish(line.store, Item(number="A", unit="EA", identifiers=(Identifier(system="charge", value="C-A"),)))
    line.look()
    line.send(dft("M1", lines=["1|CG|C-A|1|OR", "2|CG|C-B|1|OR", "3|CG|C-C|1|OR"]))
    publish(line.store, Item(number="B", unit="EA", identifiers=(Identifier(system="charge", value="C-B"),)))
    line.look()
    again(line)
    assert [posting.line for posting in line.postings()] == ["1", "2"]
    assert waiting(line) == [("held", "FT1[3]", "item-unknown")]
    assert line.balance() == (0, 0)
