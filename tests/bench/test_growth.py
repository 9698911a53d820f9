"""The benches of growth measure what they say: stores are filled as the engine leaves them, and charts can be drawn."""

from __future__ import annotations

import random
from contextlib import closing
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from bench.chart import chart, ticks
from bench.fill import STEP, fill, workspace
from bench.growth import Grown, add_channels, growth_table
from bench.load import Template
from bench.lookups import add_items, filled_messages, look_ups, timed
from bench.measurement import Row
from bench.varied import varied_charge
from casecart.canonical import FIELDS
from casecart.commands.balance import balances, read_counters
from casecart.runtime.channel import compile_channels
from casecart.runtime.kinds import installed_kinds
from casecart.store import open_store
from casecart.workspace import load

if TYPE_CHECKING:
    from pathlib import Path

    from casecart.commands.balance import Balances

MESSAGES = 2_100
BEGAN = 1_790_000_000_000_000


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a store that was filled in two goes."""
    root = workspace(tmp_path_factory.mktemp("filled"))
    fill(root, range(1, 101), began=BEGAN)
    fill(root, range(101, MESSAGES + 1), began=BEGAN)
    return root


def balances_of(root: Path) -> Balances:
    with closing(open_store(f"sqlite:///{root}/casecart.db", role="reader")) as store:
        return balances(read_counters(store))


def test_a_filled_store_has_exact_balances(filled: Path) -> None:
    assert balances_of(filled).exact


def test_a_filled_store_has_the_lines_of_its_messages_where_they_are_said_to_be(filled: Path) -> None:
    routed, held = MESSAGES - 3, 21
    terms = balances_of(filled).channels[0].terms
    assert {name: amount for name, amount in terms.items() if amount} == {
        "produced": 3 * routed,
        "posted": 3 * routed - held,
        "held": 4,
        "rejected": 17,
    }


def test_every_message_of_a_filled_store_is_recorded_when_its_number_says(filled: Path) -> None:
    with closing(open_store(f"sqlite:///{filled}/casecart.db", role="reader")) as store:
        late = [store.message(position) for position in range(1, MESSAGES + 1)]
        assert all(
            message is not None and 0 <= message.recorded_at - BEGAN - message.position * STEP < 16 * STEP
            for message in late
        )


def test_the_ledger_of_a_filled_store_has_nothing_on_its_way(filled: Path) -> None:
    with closing(open_store(f"sqlite:///{filled}/casecart.db", role="reader")) as store:
        assert store.open_counts() == []


def test_a_store_gets_the_items_that_it_lacks(filled: Path) -> None:
    add_items(filled, 600)
    add_items(filled, 700)
    with closing(open_store(f"sqlite:///{filled}/casecart.db", role="reader")) as store:
        assert len(store.master(0, 1_000, current=True)) == 700


def test_of_a_store_that_took_other_messages_later_only_what_was_filled_is_looked_up(filled: Path) -> None:
    with closing(open_store(f"sqlite:///{filled}/casecart.db", role="reader")) as store:
        assert filled_messages(store, MESSAGES) == MESSAGES
        assert filled_messages(store, MESSAGES // 2) == MESSAGES // 2


def test_every_kind_of_look_up_is_answered(filled: Path) -> None:
    with closing(open_store(f"sqlite:///{filled}/casecart.db", role="reader")) as store:
        kinds = look_ups(store, MESSAGES, random.Random(1))
    rows = timed(filled, kinds, 2)
    assert [row.name for row in rows] == [kind.name for kind in kinds]


def test_a_template_changes_each_digit_that_sets_a_message_apart() -> None:
    template = Template(lambda digits: varied_charge(digits, ("posted",) * 10))
    sent = bytearray(template.frame("0070000000005"))
    for turn in range(1, 102):
        for offset, digit in template.changes(turn):
            sent[offset : offset + 1] = digit
    assert bytes(sent) == template.frame("0070000101005")


def test_a_workspace_with_many_channels_has_one_that_takes_the_load(tmp_path: Path) -> None:
    root = workspace(tmp_path)
    add_channels(root, 200)
    loaded = load(root, kinds=installed_kinds(), document_fields={"Usage": frozenset(FIELDS)})
    channels = compile_channels(loaded).values()
    assert len(channels) == 200
    assert [channel.name for channel in channels if channel.accepts("or-mllp", "", "DFT^P03")] == ["or-usage"]


def test_the_table_shows_how_many_times_the_bare_ack_and_the_first_row_each_costs() -> None:
    table = growth_table("channels", [Grown(1, row(100.0), 10.0), Grown(200, row(250.0), 20.0)])
    assert table.splitlines()[2].split()[3:5] == ["12.5", "2.50"]


def row(cpu: float) -> Row:
    return Row(
        scenario="whole path",
        senders=64,
        pipelined=False,
        store="sqlite",
        tls=False,
        msgs_per_s=1000.0,
        cpu_us_per_msg=cpu,
        database_cpu_us_per_msg=0.0,
        generator_cpu_us_per_msg=1.0,
        ack_p50_ms=1.0,
        ack_p99_ms=2.0,
        rss_mb=30.0,
    )


@pytest.mark.parametrize(
    ("most", "wanted"),
    [
        (0.0, [0.0, 0.2]),
        (1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (450.0, [0.0, 100.0, 200.0, 300.0, 400.0, 500.0]),
        (5.1, [0.0, 2.0, 4.0, 6.0]),
    ],
)
def test_an_axis_has_round_values_up_to_the_greatest(most: float, wanted: list[float]) -> None:
    assert ticks(most) == pytest.approx(wanted)


def test_a_chart_is_well_formed_whatever_its_words_are() -> None:
    drawing = chart("a < b & c", "messages", "µs", {"<SQLite>": [(0, 100), (1, 150)], "PostgreSQL": [(0, 90)]})
    root = ET.fromstring(drawing)  # noqa: S314 - of our own making
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 2


def test_a_chart_draws_what_is_greater_higher_and_further_right() -> None:
    drawing = chart("", "", "", {"": [(0, 100), (1, 150)]})
    first, second = (
        (float(circle.get("cx", 0)), float(circle.get("cy", 0)))
        for circle in ET.fromstring(drawing).iter("{http://www.w3.org/2000/svg}circle")  # noqa: S314 - of our own making
    )
    assert first[0] < second[0]
    assert first[1] > second[1]
