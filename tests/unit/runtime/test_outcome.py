"""What becomes of the postings of a batch, by what was answered."""

from __future__ import annotations

import pytest

from casecart.runtime.destination import Posting, PostingState
from casecart.runtime.outcome import Outcomes
from casecart.runtime.window import Batch, Work
from casecart.store import Entry


@pytest.mark.parametrize("state", ["sent", "unknown"])
def test_a_posting_whose_draft_is_there_is_not_given_to_a_person_for_the_failures_before(state: PostingState) -> None:
    states: list[PostingState] = ["unknown", state]
    postings = [
        Posting(each, each, 1, "FT1[1]", "consumption", b"{}", state=each, history=[(0, each)]) for each in states
    ]
    work = Work(Entry(1, 1, "c", "NORTH", b"k", b"k", "erp", 2, 0, b""), postings)
    outcomes = Outcomes(now=lambda: 0, tries=1)
    outcomes.strike(Batch([(work, posting) for posting in postings], [b"k"]), {id(postings[1])})
    assert [posting.state for posting in postings] == ["held", state]
