"""What is known of cases at hand: the newest word, never a damaged one, and no question that is not needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest

from casecart.canonical import Usage
from casecart.mapping import Mapped
from casecart.rules import Keys, Tokens
from casecart.runtime.copy import Copy
from casecart.runtime.fill import Fill
from casecart.runtime.known_cases import KnownCases, decode_known, encode_known
from casecart.runtime.pseudonyms import Pseudonyms
from casecart.store import Change, Damaged
from casecart.store.memory import MemoryStore
from support.store import NOW, a_case, a_known_case

if TYPE_CHECKING:
    from collections.abc import Collection

    from casecart.runtime.channel import Channel
    from casecart.runtime.watch import Watch
    from casecart.store import KnownCase, Store

OLD, NEW = a_known_case(1), a_known_case(2, told_at=NOW + 1)
PLACE = OLD[:3]


@pytest.mark.parametrize("text", ["", "OR-MAIN", "Ä \x00", "\\", "x" * 200])
def test_a_value_comes_back_as_it_was_told(text: str) -> None:
    assert decode_known(encode_known(text)) == text


@pytest.mark.parametrize("text", ["", "OR-MAIN", "OR-EAST 2"])
def test_a_value_with_any_other_byte_is_damaged_and_never_another_one(text: str) -> None:
    value = encode_known(text)
    for at in range(len(value)):
        for mask in range(1, 256):
            with pytest.raises(Damaged):
                decode_known(value[:at] + bytes([value[at] ^ mask]) + value[at + 1 :])


@pytest.mark.parametrize("cut", range(len(encode_known("OR-MAIN"))))
def test_a_value_that_was_cut_off_is_damaged(cut: int) -> None:
    with pytest.raises(Damaged):
        decode_known(encode_known("OR-MAIN")[:cut])


@pytest.mark.parametrize(
    ("stored", "noted", "expected"),
    [
        ([OLD], [], OLD),
        ([], [OLD], OLD),
        ([OLD], [NEW], NEW),
        ([NEW], [OLD], NEW),
        ([], [NEW, OLD], NEW),
        ([OLD], [OLD._replace(value=b"mended")], OLD._replace(value=b"mended")),  # worked again in this commit
    ],
)
def test_the_newest_word_counts_wherever_it_is(
    stored: list[KnownCase], noted: list[KnownCase], expected: KnownCase
) -> None:
    store = MemoryStore()
    store.write(Change(known_cases=stored))
    known = KnownCases(store)
    known.begin(Change(known_cases=noted[:1]))
    known.add(noted[1:])
    assert known.told([a_case(1)]) == {PLACE: expected}


def test_what_is_taken_back_was_never_told() -> None:
    known = KnownCases(MemoryStore())
    known.begin(Change(known_cases=[OLD]))
    known.add([NEW])
    known.take_back([NEW])
    assert known.told([a_case(1)]) == {PLACE: OLD}


def test_what_one_commit_noted_is_not_kept_for_the_next() -> None:
    known = KnownCases(MemoryStore())
    known.begin(Change(known_cases=[OLD]))
    known.begin(Change())
    assert known.told([a_case(1)]) == {}


@dataclass
class Asked(KnownCases):
    """Remembers how often it was asked, and for how many cases."""

    def __init__(self) -> None:
        super().__init__(cast("Store", MemoryStore()))
        self.asked: list[int] = []

    def told(self, case_keys: Collection[bytes]) -> dict[tuple[bytes, str, str], KnownCase]:
        self.asked.append(len(case_keys))
        return super().told(case_keys)


KEYS = Keys(b"k" * 32)


def a_copy(*documents: Usage, book: str = "") -> Copy:
    pseudonyms = Pseudonyms("NORTH", KEYS, Tokens(b"t" * 32), book)
    tokens = {each.case: pseudonyms.token("case", each.case) for each in documents if each.case is not None}
    told = [Usage(case=tokens.get(each.case or ""), department=each.department) for each in documents]
    mapped = Mapped(told, [f"FT1[{number}]" for number, _ in enumerate(told, 1)], [], [])
    return Copy(cast("Channel", None), mapped, pseudonyms, cast("Watch", None))


FILL = Fill({"department": ["schedule", "visits"], "location": []})


def row(case: str, channel: str, value: bytes) -> KnownCase:
    return a_known_case(1, case_key=KEYS.case("NORTH", case), channel=channel, value=value)


def filled(*rows: KnownCase, documents: list[Usage], book: str = "") -> tuple[list[str | None], list[str], list[int]]:
    """Departments, codes of troubles, and how many cases each question was about."""
    known = Asked()
    known.add(rows)
    copy = a_copy(*documents, book=book)
    troubles = FILL.apply(copy, known)
    assert copy.documents is copy.mapped.documents
    return (
        [each.department for each in copy.documents],
        [trouble.code for each in troubles.values() for trouble in each],
        known.asked,
    )


def test_lines_that_say_it_themselves_ask_nothing() -> None:
    assert filled(documents=[Usage(case="A", department="OR"), Usage(case="B", department="ICU")])[2] == []


def test_all_cases_of_a_message_are_one_question() -> None:
    rows = [row("A", "schedule", encode_known("OR")), row("B", "visits", encode_known("WARD"))]
    documents = [Usage(case="A"), Usage(case="B"), Usage(case="A", department="ICU"), Usage(case="C"), Usage()]
    assert filled(*rows, documents=documents) == (["OR", "WARD", "ICU", None, None], [], [3])


def test_a_channel_that_was_told_that_there_is_none_leaves_it_to_the_next() -> None:
    rows = [row("A", "schedule", encode_known("")), row("A", "visits", encode_known("WARD"))]
    assert filled(*rows, documents=[Usage(case="A")])[0] == ["WARD"]


def test_a_channel_that_fill_does_not_name_is_not_heard() -> None:
    assert filled(row("A", "others", encode_known("WARD")), documents=[Usage(case="A")])[0] == [None]


def test_a_damaged_word_is_not_passed_over_for_the_next_channel() -> None:
    rows = [row("A", "schedule", b"\xc1damaged"), row("A", "visits", encode_known("WARD"))]
    documents = [Usage(case="A"), Usage(case="B")]
    assert filled(*rows, documents=documents)[:2] == ([None, None], ["record-damaged"])


def test_lines_of_another_book_know_the_same_cases() -> None:
    assert filled(row("A", "schedule", encode_known("OR")), documents=[Usage(case="A")], book="charge")[0] == ["OR"]
