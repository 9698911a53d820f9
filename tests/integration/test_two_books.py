"""Stock and charges are two ledgers: what one of them was told of a line is nothing to the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.shipped import Shipped, prepare, sample

if TYPE_CHECKING:
    from pathlib import Path

USED = "SUPPLIES-000001"
CHARGED, CREDITED = "ORSYS-000001", "ORSYS-000003"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The operating room's peer says what is charged, and that of the supplies what was used."""
    root = tmp_path_factory.mktemp("shipped")
    prepare(root)
    channel = root / "channels" / "or-usage.yaml"
    channel.write_text(channel.read_text("utf-8").replace("as: consumption", "as: charge"), "utf-8")
    return root


def used(serial: str, *changes: tuple[str, str]) -> bytes:
    """Supplies were used, one of them with this serial number."""
    return sample("supply-usage", ("SN-4713", serial), *changes)


@pytest.mark.parametrize("charge_first", [False, True])
def test_a_thing_that_is_used_and_charged_by_two_messages_is_used_once(line: Shipped, *, charge_first: bool) -> None:
    messages = [used("SN-4711"), sample("dft-hip-stem")]
    line.send(*(reversed(messages) if charge_first else messages))
    assert (line.held(USED), line.held(CHARGED)) == ([], [])
    assert [each[2] for each in line.posted()].count("HIP-STEM-12") == 2


def test_a_thing_that_was_used_is_not_free_again_because_its_charge_was_taken_back(line: Shipped) -> None:
    line.send(used("SN-4711"), sample("dft-hip-stem"), sample("dft-hip-stem-credit"))
    assert line.held(CREDITED) == []
    again = used("SN-4711", (USED, "SUPPLIES-000009"), ("V100239", "V100999"), ("C-10095", "C-10096"))
    line.send(again)
    assert [(place, code) for place, code, _ in line.held("SUPPLIES-000009")] == [("FT1[3]", "serial-used")]


def test_a_charge_that_is_taken_back_twice_takes_nothing_out_of_the_stock(line: Shipped) -> None:
    credit = sample("dft-hip-stem-credit")
    line.send(used("SN-4711"), sample("dft-hip-stem"), credit, credit.replace(CREDITED.encode(), b"ORSYS-000099"))
    assert [each[0] for each in line.posted() if each[2] == "HIP-STEM-12"] == ["use", "use", "reverse"]
    assert [code for _, code, _ in line.held("ORSYS-000099")] != []
