"""The window over a destination's outbox."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from casecart.runtime.destination import Posting
from casecart.runtime.window import Window, Work
from casecart.store import Entry

if TYPE_CHECKING:
    from casecart.runtime.destination import PostingState


def work(sequence: int, key: str, lines: int = 1) -> Work:
    """A ledger row with planned postings."""
    postings = [
        Posting(f"{sequence}-{n}", f"{key}-{sequence}-{n}", 1, "FT1[1]", "consumption", b"{}") for n in range(lines)
    ]
    entry = Entry(sequence, sequence, "c", "NORTH", key.encode(), key.encode(), "erp", lines, 0, b"")
    return Work(entry, postings)


def keys(window: Window, most: int = 100) -> list[str]:
    return [posting.key for posting in window.take(most).postings]


def test_a_batch_spans_keys() -> None:
    window = Window()
    window.add([work(1, "a"), work(2, "b"), work(3, "c")])
    assert keys(window) == ["1-0", "2-0", "3-0"]


def test_a_batch_is_no_larger_than_asked_for() -> None:
    window = Window()
    window.add([work(1, "a", lines=5), work(2, "b", lines=5)])
    assert keys(window, 7) == ["1-0", "1-1", "1-2", "1-3", "1-4", "2-0", "2-1"]


def test_a_key_waits_while_a_batch_of_it_is_out() -> None:
    window = Window()
    window.add([work(1, "a")])
    window.take(10)
    window.add([work(2, "a"), work(3, "b")])
    assert keys(window) == ["3-0"]


def test_a_key_goes_on_when_its_batch_is_settled() -> None:
    window = Window()
    window.add([work(1, "a")])
    batch = window.take(10)
    window.add([work(2, "a")])
    batch.postings[0].state = "posted"
    window.free(batch.keys)
    assert keys(window) == ["2-0"]


def test_what_may_have_its_effect_is_not_seen_to_its_end_before_what_must_be_sent_again_before_it() -> None:
    window = Window()
    first, second, other = work(1, "a", lines=2), work(2, "a"), work(3, "b")
    window.add([first, second, other])
    first.postings[1].state = second.postings[0].state = other.postings[0].state = "unknown"
    assert keys(window) == ["1-0", "3-0"]


def test_what_may_have_had_its_effect_goes_with_what_comes_after_it() -> None:
    window = Window()
    first, second = work(1, "a"), work(2, "a")
    window.add([first, second])
    first.postings[0].state = "unknown"
    assert keys(window) == ["1-0", "2-0"]


def test_an_unsettled_posting_goes_first_again() -> None:
    window = Window()
    window.add([work(1, "a"), work(2, "a")])
    batch = window.take(1)
    window.free(batch.keys)
    assert keys(window, 1) == ["1-0"]


def test_a_held_posting_does_not_block_the_other_lines_of_its_key() -> None:
    window = Window()
    window.add([work(1, "a"), work(2, "a")])
    batch = window.take(1)
    batch.postings[0].state = "held"
    window.free(batch.keys)
    assert keys(window) == ["2-0"]


def test_a_line_has_at_most_one_posting_in_a_batch() -> None:
    window = Window()
    first, second = work(1, "a"), work(2, "a")
    second.postings[0].line = first.postings[0].line
    window.add([first, second])
    assert keys(window) == ["1-0"]


def test_work_that_goes_alone_is_not_in_a_batch_with_others() -> None:
    window = Window()
    suspect = work(1, "a", lines=2)
    suspect.alone = True
    window.add([suspect, work(2, "b")])
    assert [keys(window), keys(window)] == [["1-0"], ["2-0"]]


def test_settled_work_leaves_the_window() -> None:
    window = Window()
    window.add([work(1, "a"), work(2, "b")])
    batch = window.take(10)
    for posting in batch.postings:
        posting.state = "posted"
    window.free(batch.keys)
    assert (window.size, window.ready) == (0, 0)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=12),
    st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=30),
)
def test_postings_of_a_key_go_out_in_order_and_each_is_settled_once(
    entries: list[tuple[str, int]], turns: list[tuple[int, bool]]
) -> None:
    window = Window()
    window.add([work(sequence, key, lines) for sequence, (key, lines) in enumerate(entries, start=1)])
    settled: dict[str, list[str]] = defaultdict(list)
    for most, taken in [*turns, *[(100, True)] * (len(entries) + 1)]:
        batch = window.take(most)
        for item, posting in batch.items:
            if taken:
                posting.state = "posted"
                settled[item.entry.order_key.decode()].append(posting.key)
        window.free(batch.keys)
    expected: dict[str, list[str]] = defaultdict(list)
    for sequence, (key, lines) in enumerate(entries, start=1):
        expected[key] += [f"{sequence}-{n}" for n in range(lines)]
    assert settled == expected
    assert window.size == 0


def in_states(sequence: int, key: str, *states: PostingState) -> Work:
    made = work(sequence, key, lines=len(states))
    for posting, state in zip(made.postings, states, strict=True):
        posting.state = state
    return made


def unclear(window: Window, most: int = 100) -> list[str]:
    return [posting.key for posting in window.take_uncertain(most).postings]


def test_of_what_is_uncertain_only_that_is_taken() -> None:
    window = Window()
    window.add([in_states(1, "a", "planned"), in_states(2, "b", "unknown"), in_states(3, "c", "sent", "planned")])
    assert window.uncertain == 2
    assert unclear(window) == ["2-0", "3-0"]
    assert unclear(window) == []
    assert keys(window) == ["1-0"]  # and the others of the keys that are out wait


def test_what_is_due_before_something_uncertain_of_its_key_goes_before_it() -> None:
    window = Window()
    window.add([in_states(1, "a", "posted", "planned"), in_states(2, "a", "unknown", "planned"), work(3, "a")])
    batch = window.take_uncertain(100)
    assert [posting.key for posting in batch.postings] == ["1-1"]
    batch.postings[0].state = "posted"
    window.free(batch.keys)
    assert unclear(window) == ["2-0"]


def test_what_is_uncertain_is_taken_alone_where_it_must_be() -> None:
    window = Window()
    first, second = in_states(1, "a", "unknown"), in_states(2, "b", "unknown")
    second.alone = True
    window.add([first, second])
    assert unclear(window) == ["1-0"]
    assert unclear(window) == ["2-0"]


def test_no_more_that_is_uncertain_is_taken_than_asked_for() -> None:
    window = Window()
    window.add([in_states(number, str(number), "unknown") for number in range(5)])
    assert (len(unclear(window, 2)), len(unclear(window, 100))) == (2, 3)
