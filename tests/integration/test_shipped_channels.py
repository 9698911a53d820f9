"""Every way in which the shipped channels are told what was used: the samples through the real line, and bad input."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from casecart.canonical import Usage
from support.shipped import Shipped, sample

ONE, TWO, THREE, FOUR = map(Decimal, (1, 2, 3, 4))
SCREW, STEM, CUP = "SCREW-65-30", "HIP-STEM-12", "HIP-CUP-54"


def test_an_expanded_charge_is_read_as_a_plain_one_whatever_stands_between_its_lines(line: Shipped) -> None:
    line.send(sample("dft-p11-expanded"))
    (screw_channel, screw), (_, graft) = line.documents("ORSYS-000012")
    assert screw_channel == "or-usage"
    # The PRT under IN1 is a participant in the insurance.
    assert (screw.line, screw.lot, screw.serial, screw.quantity) == ("770012", "SC-88412", None, TWO)
    assert (graft.line, graft.lot, graft.expiry) == ("770013", "BG-0311", date(2027, 2, 28))
    assert line.posted() == [("use", TWO, SCREW, "SC-88412"), ("use", Decimal("1.5"), "GRAFT-GRAN", "BG-0311")]


def test_supply_usage_becomes_whole_documents(line: Shipped) -> None:
    line.send(sample("supply-usage"))
    documents = line.documents("SUPPLIES-000001")
    case = documents[0][1].case
    assert case is not None
    assert "V100239" not in case
    assert documents[1] == (
        "supply-usage",
        Usage(
            facility="NORTH", case=case, line="780002", action="use", disposition="implanted", di="09521234543213",
            item=CUP, quantity=ONE, unit="EA", lot="CUP2604", serial="C-10095", expiry=date(2029, 6, 30),
            udi="(01)09521234543213(17)290630(10)CUP2604(21)C-10095", used_on=date(2026, 11, 3), department="OR-MAIN",
            location="OR-CORE", cost_center="7100", charge_code="CH-27131", supplier="EXAMPLE-ORTHO", ownership="owned",
            found_by="di", source="SUPPLIES-000001#FT1[2]",
        ),
    )  # fmt: skip
    assert [(each.disposition, each.found_by) for _, each in documents] == [
        ("used", "ehr_item"),
        ("implanted", "di"),
        ("wasted", "di"),
    ]
    assert line.posted() == [
        ("use", THREE, SCREW, "SC-88412"),
        ("use", ONE, CUP, "CUP2604"),
        ("use", ONE, STEM, "SN-4713"),
    ]


def test_an_update_of_supply_usage_posts_the_difference_only(line: Shipped) -> None:
    line.send(sample("supply-usage"), sample("supply-usage-update"))
    assert line.posted()[3:] == [("reverse", ONE, SCREW, "SC-88412"), ("reverse", ONE, STEM, "SN-4713")]
    assert line.held("SUPPLIES-000002") == []


def test_an_update_of_supply_usage_that_comes_late_changes_nothing(line: Shipped) -> None:
    line.send(sample("supply-usage-update"), sample("supply-usage"))
    posted = line.posted()
    assert ("use", TWO, SCREW, "SC-88412") in posted
    assert ("use", ONE, CUP, "CUP2604") in posted
    assert ("use", THREE, SCREW, "SC-88412") not in posted
    assert not any(item == STEM for _, _, item, _ in posted)


@pytest.mark.parametrize(
    ("code", "became"),
    [
        ("U", "use used"),
        ("I", "use implanted"),
        ("W", "use wasted"),
        ("N", "reverse returned"),
        ("E", "filtered"),
        ("Q", "code-not-in-table"),
        ("", "use None"),  # FT1-6 says it
    ],
)
def test_each_code_of_supply_usage_means_what_its_row_says(line: Shipped, code: str, became: str) -> None:
    line.send(sample("supply-usage", ("ZPA|OR-CORE|I|", f"ZPA|OR-CORE|{code}|")))
    documents = {document.line: document for _, document in line.documents("SUPPLIES-000001")}
    if became == "filtered":
        assert line.filtered("SUPPLIES-000001") == [("FT1[2]", "where: action in ['use', 'reverse']")]
    elif became == "code-not-in-table":
        assert ("FT1[2]", "code-not-in-table", "action") in line.held("SUPPLIES-000001")
    else:
        assert f"{documents['780002'].action} {documents['780002'].disposition}" == became


@pytest.mark.parametrize("name", ["cabinet-issue-oms", "cabinet-return-rds", "cabinet-stock-dft"])
def test_a_cabinets_transaction_is_read_whatever_message_it_stands_in(line: Shipped, name: str) -> None:
    line.send(sample(name))
    control_id = {"cabinet-issue-oms": 1, "cabinet-return-rds": 2, "cabinet-stock-dft": 3}[name]
    assert {channel for channel, _ in line.documents(f"CABINET-{control_id:06}")} == {"cabinet-usage"}


def test_what_cabinets_issue_and_take_back_is_posted_and_nothing_else(line: Shipped) -> None:
    line.send(sample("cabinet-issue-oms"), sample("cabinet-return-rds"), sample("cabinet-stock-dft"))
    issued = line.documents("CABINET-000001")
    assert [(each.action, each.disposition, each.quantity) for _, each in issued] == [
        ("use", "used", FOUR),
        ("use", "wasted", ONE),
    ]
    assert (issued[0][1].used_on, issued[0][1].location, issued[0][1].cost_center) == (
        date(2026, 11, 3),
        "OR-CORE",
        "7100",
    )
    assert [place for place, _ in line.filtered("CABINET-000003")] == ["ZPM[2]", "ZPM[3]", "ZPM[4]", "ZPM[5]", "ZPM[6]"]
    # Two issues of one lot: which one the return takes back, a person says.
    assert line.posted() == [
        ("use", FOUR, SCREW, "SC-88412"),
        ("use", ONE, SCREW, "SC-88412"),
        ("use", TWO, SCREW, "SC-88412"),
    ]
    assert [code for _, code, _ in line.held("CABINET-000002")] == ["credit-ambiguous"]


def test_a_return_to_a_cabinet_takes_back_the_one_issue_that_it_can_be_of(line: Shipped) -> None:
    issue = sample("cabinet-issue-oms", ("ZPM|W|", "ZPM|F|"))
    line.send(issue, sample("cabinet-return-rds"))
    assert line.posted() == [("use", FOUR, SCREW, "SC-88412"), ("reverse", ONE, SCREW, "SC-88412")]


@pytest.mark.parametrize(
    ("code", "became"),
    [
        ("V", "use used"),
        ("W", "use wasted"),
        ("R", "reverse returned"),
        ("C", "filtered"),
        ("F", "filtered"),
        ("L", "filtered"),
        ("U", "filtered"),
        ("B", "filtered"),
        ("X", "code-not-in-table"),  # a new code of the cabinet's is for a person, and not left out
        ("v", "code-not-in-table"),
        ("", "missing"),
    ],
)
def test_each_code_of_a_cabinet_means_what_its_row_says(line: Shipped, code: str, became: str) -> None:
    line.send(sample("cabinet-return-rds", ("ZPM|R|", f"ZPM|{code}|")))
    documents, filtered = line.documents("CABINET-000002"), line.filtered("CABINET-000002")
    held = line.held("CABINET-000002")
    if became == "filtered":
        assert filtered == [("ZPM[1]", "where: action in ['use', 'reverse']")]
        assert (documents, held) == ([], [])
    elif documents:
        ((_, document),) = documents
        assert (f"{document.action} {document.disposition}", filtered) == (became, [])
    else:
        assert ("ZPM[1]", became, "action") in held
        assert filtered == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("||||20261103083000|SC", "||||2026|SC"), ("ZPM[1]", "date-precision", "used_on")),
        (("PV1|1|I|OR-MAIN", "ZZZ|1|I|OR-MAIN"), ("ZPM[1]", "missing", "case")),
        (("|1|NURSE1", "|-1|NURSE1"), None),  # a return, told with a sign too
        (("|1|NURSE1", "|1 EA|NURSE1"), ("ZPM[1]", "not-a-number", "quantity")),
        (("|1|NURSE1", "||NURSE1"), ("ZPM[1]", "missing", "quantity")),
        (("|NORTH|OR-MAIN|", "|NORTH||"), ("ZPM[1]", "missing", "department")),
    ],
)
def test_half_a_cabinets_transaction_is_a_question_for_a_person(
    line: Shipped, change: tuple[str, str], problem: tuple[str, str, str] | None
) -> None:
    line.send(sample("cabinet-return-rds", change))
    assert (problem in line.held("CABINET-000002")) is (problem is not None)
    assert len(line.documents("CABINET-000002")) == (problem is None)


def test_a_cabinets_message_without_a_transaction_says_so(line: Shipped) -> None:
    line.send(sample("cabinet-return-rds", ("ZPM|R|", "ZPX|R|")))
    assert line.store.message(line.position("CABINET-000002")).notes == "no-lines"  # type: ignore[union-attr]  # it is there


def test_devices_in_a_record_are_read_by_their_sub_ids_and_other_observations_are_none(line: Shipped) -> None:
    line.send(sample("oru-devices"))
    (_, stem), (_, screw) = line.documents("ORLOG-000001")
    assert (stem.line, stem.serial, stem.di, stem.quantity) == ("LOG-5001/1", "SN-4714", "00643169001763", ONE)
    assert (screw.line, screw.lot, screw.quantity, screw.expiry) == ("LOG-5001/2", "SC-88412", THREE, date(2030, 1, 31))
    # The heart rate's monitor is a device that measured, and not one that was used.
    assert line.filtered("ORLOG-000001") == [("OBX[5]", "where: disposition == 'used' && action != 'none'")]
    assert line.posted() == [("use", ONE, STEM, "SN-4714"), ("use", THREE, SCREW, "SC-88412")]


def test_a_corrected_record_posts_the_difference_and_a_deleted_result_takes_back(line: Shipped) -> None:
    line.send(sample("oru-devices"), sample("oru-devices-corrected"))
    assert line.posted()[2:] == [("reverse", ONE, STEM, "SN-4714"), ("reverse", ONE, SCREW, "SC-88412")]


@pytest.mark.parametrize(
    ("status", "became"),
    [
        *((code, "use") for code in "FCP"),
        *((code, "reverse") for code in "DW"),
        *((code, "filtered") for code in "INORSUX"),
        ("A", "code-not-in-table"),
        ("", "incomplete-usage"),  # held, and not left out
    ],
)
def test_each_result_status_means_what_its_row_says(line: Shipped, status: str, became: str) -> None:
    line.send(sample("oru-devices", ("SN-4714||||||F|", f"SN-4714||||||{status}|")))
    documents = {document.line: document.action for _, document in line.documents("ORLOG-000001")}
    held = [(place, code) for place, code, _ in line.held("ORLOG-000001")]
    if became == "filtered":
        assert "OBX[1]" in [place for place, _ in line.filtered("ORLOG-000001")]
    elif became in ("use", "reverse"):
        assert documents["LOG-5001/1"] == became
    else:
        assert ("OBX[1]", became) in held


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        # Two devices under one sub-id: nobody knows whose the lot is.
        (("|2|(01)09521101530018", "|1|(01)09521101530018"), ("OBX[1]", "conflict", "")),
        (("(01)00643169001763(17)281231(21)SN-4714||||||F", "(01)0064||||||F"), ("OBX[1]", "udi-unreadable", "udi")),
        (("||20281231||SN-4714", "||20281231||SN-9999"), ("OBX[1]", "conflict", "serial")),
        (("^LN|1|(01)", "^LN||(01)"), ("OBX[1]", "missing", "line")),
        (("OBR|1|OP-1|LOG-5001", "OBR|1|OP-1|"), ("OBX[1]", "missing", "line")),
    ],
)
def test_a_record_that_contradicts_itself_is_a_question_for_a_person(
    line: Shipped, change: tuple[str, str], problem: tuple[str, str, str]
) -> None:
    line.send(sample("oru-devices", change))
    assert problem in line.held("ORLOG-000001")


def test_a_message_goes_to_the_channel_of_its_sender_only(line: Shipped) -> None:
    line.send(sample("dft-hip-stem"), sample("supply-usage"), sample("cabinet-stock-dft"))
    channels = [{channel for channel, _ in line.documents(name)} for name in ("ORSYS-000001", "SUPPLIES-000001")]
    assert channels == [{"or-usage"}, {"supply-usage"}]
    assert line.counts()["copied"] == 0
