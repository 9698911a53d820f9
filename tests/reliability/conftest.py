"""What every reliability test is given."""

from __future__ import annotations

import pytest

from support.trial import Trial


@pytest.fixture
def trial(request: pytest.FixtureRequest) -> Trial:
    """The seed and the counts of this run; the test tells it what came of them."""
    item: pytest.Function = request.node
    return Trial(f"{item.path.stem}::{item.originalname}")
