"""A shipment that Tryton makes when nobody waits for it any more: nothing of it is moved a second time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from support.reactor import in_reactor
from support.tryton.posting import codes, destination, look_up, lot_of, post, posting, refer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.destinations.tryton import TrytonDestination
    from support.tryton.server import Tryton

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def erp(tryton: Tryton, tmp_path: Path) -> Iterator[TrytonDestination]:
    made = destination(tryton.url, tmp_path, tryton.key)
    yield made
    in_reactor(made.stop)


def test_what_was_sent_anew_before_its_draft_came_to_light_is_not_moved_with_what_is_asked_for_later(
    tryton: Tryton, erp: TrytonDestination
) -> None:
    lots = [lot_of(tryton), lot_of(tryton)]
    one, two = (posting(lot) for lot in lots)
    refer(erp, one, two)
    assert one.group == two.group
    assert codes(look_up(erp, one)) == ["retry not-found"]  # the request for both is still on its way
    in_reactor(erp.post, [one, two])  # now it comes, and the draft is made
    assert codes(post(erp, msgspec.structs.replace(one, attempts=2))) == ["posted"]
    assert codes(look_up(erp, two)) == ["retry shipment-split"]
    assert codes(post(erp, msgspec.structs.replace(two, attempts=2))) == ["posted"]
    assert [len(tryton.moves(lot)) for lot in lots] == [1, 1]
    assert [tryton.on_hand(lot) for lot in lots] == [19, 19]
