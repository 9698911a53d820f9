"""Who looks on as a mapping reads is told of each source that was asked, and of no other."""

from __future__ import annotations

from casecart.mapping import compile_mapping
from unit.mapping.declarations import context, mapping

DECLARED = mapping("""
mapping: m
reads: {format: hl7v2}
makes: Usage
says: transactions
each: FT1
fields:
  case: {path: "message:PV1-19.1", token: case, required: true}
  item: {path: [FT1-34.1, FT1-7.1, FT1-2], optional: true}
  lot:  {agree: [PRT-19, udi.lot], optional: true}
  udi:  {path: PRT-10, type: udi, optional: true}
""")

MESSAGE = "MSH|^~\\&|A|B\rPV1||I|||||||||||||||||V1\rFT1|1|x|||||CH-1\rFT1|2|x|||||CH-2\rPRT|||||||||||||||||||L1\r"


def told(text: str) -> list[tuple[str, str, str, object]]:
    found: list[tuple[str, str, str, object]] = []
    probed = compile_mapping(
        DECLARED, {}, probe=lambda place, name, source, what: found.append((place, name, str(source), what))
    )
    assert probed.run(text, context()) == compile_mapping(DECLARED, {}).run(text, context())
    return found


def test_each_source_that_is_asked_is_told_with_what_it_gave() -> None:
    of_second = [each[1:] for each in told(MESSAGE) if each[0] == "FT1[2]"]
    assert of_second == [
        ("udi", "PRT-10", None),
        ("item", "FT1-34.1", None),
        ("item", "FT1-7.1", "CH-2"),  # and FT1-2, which stands behind it, is not asked
        ("lot", "PRT-19", "L1"),
        ("lot", "udi.lot", None),
    ]


def test_what_is_the_same_for_all_lines_is_asked_at_the_first_of_them() -> None:
    assert [each for each in told(MESSAGE) if each[1] == "case"] == [("FT1[1]", "case", "message:PV1-19.1", "V1")]
