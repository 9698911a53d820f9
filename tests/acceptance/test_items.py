"""Which item is this? One screw, told in every way a sender has, through MLLP and a real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from support.user import User

SCREW = "SCREW-65-30"


def charge(control_id: str, *, case: str | None = None, code: str = "", prt: str = "", rest: str = "") -> bytes:
    """A made-up charge of three; `rest` is what follows the department, `prt` the fields of a PRT from its tenth on."""
    segments = [
        f"MSH|^~\\&|ORSYS|NORTH|CASECART|MERCY|20261103093012||DFT^P03^DFT_P03|{control_id}|P|2.8.2",
        "PID|1||MRN1",
        f"PV1|1|I|||||||||||||||||{case or control_id}",
        f"FT1|1|L-{control_id}||20261103081500|20261103|CG|{code}|||3|||OR-MAIN{rest}",
    ]
    if prt:
        segments.append(f"PRT|1|UC||EQUIP||||||{prt}")
    return "".join(segment + "\r" for segment in segments).encode()


LOT = "(10)SC-1"
ITEM = "|" * 21  # from FT1-13 to FT1-34
WAYS = {
    "GTIN in PRT-10": charge("W1", prt=f"(01)09521101530018{LOT}"),
    "GTIN in PRT-16": charge("W2", prt="||||||09521101530018|||SC-1"),
    "GTIN of 13 digits": charge("W3", prt="||||||9521101530018|||SC-1"),
    "HIBC": charge("W4", prt="+H123CS65300I|||||||||SC-1"),
    "catalogue number": charge("W5", prt="|||||||||SC-1", rest=f"{ITEM}|CS-6530"),
    "charge code": charge("W6", code="CH-20680", prt="|||||||||SC-1"),
    "EHR's item number": charge("W7", code="^^^E-2030", prt="|||||||||SC-1"),
    "ERP's item number": charge("W8", prt="|||||||||SC-1", rest=f"{ITEM}{SCREW}"),
}


def sent(user: User, message: bytes) -> str:
    """Sends it; it is acknowledged."""
    done = user.send("-", stdin=message)
    assert (done.returncode, " AA " in done.stdout) == (0, True), done.stdout + done.stderr
    return str(user.rest()["balances"]["exact"])


def causes(user: User) -> list[dict[str, Any]]:
    """What waits in the worklist."""
    return list(user.json("worklist", "list")["causes"])


def test_the_same_screw_is_one_item_however_it_is_told(at_work: User) -> None:
    for message in WAYS.values():
        sent(at_work, message)
    assert causes(at_work) == []
    posted = {posting["line"]: posting for posting in at_work.handed_over}
    assert {
        way: tuple(posted[f"L-W{number}"][name] for name in ("item", "quantity", "unit", "location", "cost_center"))
        for number, way in enumerate(WAYS, 1)
    } == dict.fromkeys(WAYS, (SCREW, "3", "EA", "OR-CORE", "7100"))


def test_boxes_are_posted_as_the_eaches_in_them(at_work: User) -> None:
    sent(at_work, charge("B1", prt=f"(01)14012345000013{LOT}"))
    (posting,) = at_work.handed_over
    assert (posting["item"], posting["quantity"], posting["unit"]) == (SCREW, "30", "EA")


def test_two_stems_under_one_charge_code_are_one_exception(at_work: User) -> None:
    sent(at_work, charge("S1", code="CH-27130"))
    (cause,) = causes(at_work)
    assert (cause["code"], cause["exceptions"]) == ("item-several", 1)
    assert cause["words"] == "2 items have the charge code CH-27130"
    assert at_work.handed_over == []


def test_a_device_identifier_that_contradicts_the_udi_beside_it_is_one_exception(at_work: User) -> None:
    sent(at_work, charge("C1", prt=f"(01)09521101530018{LOT}||||||00643169001763|||SC-1"))
    (cause,) = causes(at_work)
    assert (cause["code"], cause["exceptions"]) == ("conflict", 1)
    assert at_work.handed_over == []


def test_an_unknown_number_is_never_the_item_of_the_charge_code(at_work: User) -> None:
    sent(at_work, charge("U1", code="CH-20680", prt=f"(01)04012345000047{LOT}"))
    (cause,) = causes(at_work)
    assert cause["words"] == "no item has the device identifier 04012345000047"
    assert at_work.handed_over == []


@pytest.mark.parametrize(
    ("udi", "code"),
    [
        ("(01)09521101530018\\X01\\(10)SC-1", "udi-unreadable"),
        ("(01)09521101530018(10)" + "X" * 10_000, "udi-unreadable"),
    ],
    ids=["a control character", "10 kB"],
)
def test_a_hostile_code_is_one_exception_and_harms_nobody_else(at_work: User, udi: str, code: str) -> None:
    sent(at_work, charge("H1", prt=udi))
    assert [cause["code"] for cause in causes(at_work)] == [code]
    sent(at_work, charge("H2", prt=f"(01)09521101530018{LOT}"))
    assert [posting["line"] for posting in at_work.handed_over] == ["L-H2"]


def test_a_line_that_is_told_by_no_number_is_one_exception(at_work: User) -> None:
    sent(at_work, charge("E1"))
    assert [cause["code"] for cause in causes(at_work)] == ["item-untold"]


def test_a_recalled_lot_is_posted_flagged_and_found_again(at_work: User) -> None:
    assert at_work.run("recall", "import", "samples/recalls/recalls.csv").returncode == 0
    at_work.wait(
        "flag",
        "recall",
        "trace",
        "Z-0001-2026",
        until=lambda _: "recalled" in flags(at_work),
    )
    traced = at_work.json("recall", "trace", "Z-0001-2026")
    assert traced["cases"] >= 1
    assert {use["item"] for use in traced["uses"]} == {SCREW}


def flags(user: User) -> str:
    """Of the newest posting; each call sends another use of the recalled lot."""
    number = len(user.handed_over)
    sent(user, charge(f"R{number}", prt="(01)09521101530018(10)SC-88412"))
    return str(next(each.get("flags", "") for each in user.handed_over if each["line"] == f"L-R{number}"))


def test_a_lot_is_found_again_without_a_recall(at_work: User) -> None:
    sent(at_work, charge("L1", prt="(01)09521101530018(10)SC-7"))
    sent(at_work, charge("L2", prt="(01)09521101530018(10)SC-8"))
    traced = at_work.json("recall", "trace", "--lot", "SC-7")
    assert [(use["line"], use["state"]) for use in traced["uses"]] == [("L-L1", "posted")]
    assert traced["looked_at"] == 1
    assert traced["uses"][0]["case"].startswith("case-")
    with_cases = at_work.json("recall", "trace", "--lot", "SC-7", "--cases")
    assert with_cases["uses"][0]["case"] == "L1"
