"""Resources are looked at before a mapping reads them: what is held, what is let pass, and who is asked."""

from __future__ import annotations

import copy
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from casecart.formats.fhir import strict
from casecart.mapping import compile_mapping
from casecart.workspace import WorkspaceError
from unit.mapping.declarations import context, mapping

if TYPE_CHECKING:
    from casecart.mapping import Mapped

HEAD: Final = "mapping: m\nreads: {format: fhir}\nmakes: Usage\nsays: state\n"
BODY: Final = """\
each: Procedure.focalDevice
bind: {device: manipulated.resolve()}
fields:
  lot: {path: "%device.lotNumber", optional: true}
"""
DEVICE: Final[dict[str, Any]] = {"resourceType": "Device", "id": "d1", "status": "active", "lotNumber": "L1"}
PROCEDURE: Final[dict[str, Any]] = {
    "resourceType": "Procedure",
    "id": "p1",
    "status": "completed",
    "subject": {"reference": "Patient/1"},
    "focalDevice": [{"manipulated": {"reference": "Device/d1"}}],
}
ALONE: Final = PROCEDURE | {"contained": [DEVICE], "focalDevice": [{"manipulated": {"reference": "#d1"}}]}


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    entries = [{"fullUrl": f"http://a/{each['resourceType']}/{each['id']}", "resource": each} for each in resources]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def mapped(
    message: dict[str, Any], *, reads: str = "{format: fhir}", version: str = "4.0.1", body: str = BODY
) -> Mapped:
    before = copy.deepcopy(message)
    compiled = compile_mapping(mapping(HEAD.replace("{format: fhir}", reads) + body), {})
    found = compiled.run(message, msgspec.structs.replace(context(), version=version))
    assert message == before
    return found


def problems(found: Mapped) -> list[tuple[str, str, str]]:
    return [(each.place, each.code, each.path) for each in found.exceptions]


def test_lines_of_a_resource_that_is_not_right_are_held_with_the_place_and_no_content() -> None:
    broken = PROCEDURE | {"id": "p2", "status": "Jane Doe"}
    found = mapped(bundle(DEVICE, PROCEDURE, broken))
    (problem,) = found.exceptions
    assert problem.place == "Bundle.entry[2].resource.focalDevice[0]"
    assert (problem.code, problem.path) == ("invalid-resource", "Bundle.entry[2].resource.status")
    assert problem.words.startswith(
        "the resource is not as FHIR R4 has it at Procedure.status (unknown-code). This must be one of"
    )
    assert "Jane" not in problem.words
    assert found.places == ["Bundle.entry[1].resource.focalDevice[0]"]


def test_of_several_problems_the_first_is_told_and_that_there_are_more() -> None:
    (problem,) = mapped(PROCEDURE | {"status": 7, "subject": []}).exceptions
    assert problem.path == "Procedure.status"
    assert "(wrong-type, and more)" in problem.words


def test_a_device_that_is_not_right_is_called_by_its_name_in_bind() -> None:
    found = mapped(bundle(DEVICE | {"expirationDate": "soon"}, PROCEDURE))
    assert problems(found) == [
        ("Bundle.entry[1].resource.focalDevice[0]", "invalid-resource", "%device.expirationDate")
    ]


def test_what_nobody_reads_is_not_looked_at() -> None:
    other = {"resourceType": "Patient", "id": "1", "birthDate": "long ago"}
    without = {name: value for name, value in PROCEDURE.items() if name not in ("focalDevice", "status")} | {"id": "p0"}
    assert problems(mapped(bundle(other, without, DEVICE, PROCEDURE))) == []


UNKNOWN: Final = {f"own{number}": {"a": number} for number in range(60)} | {"extension": [{"url": "urn:x"}]}


def test_elements_that_fhir_does_not_have_are_let_pass_and_hide_nothing() -> None:
    assert problems(mapped(UNKNOWN | ALONE)) == []
    assert [path for _, _, path in problems(mapped(UNKNOWN | PROCEDURE | {"status": "done"}))] == ["Procedure.status"]


def test_elements_that_fhir_does_not_have_are_held_where_it_is_strict() -> None:
    found = mapped(UNKNOWN | PROCEDURE, reads="{format: fhir, validate: strict}")
    assert [code for _, code, _ in problems(found)] == ["invalid-resource"]
    assert mapped(ALONE, reads="{format: fhir, validate: strict}").exceptions == []


@pytest.mark.parametrize(
    ("version", "reads", "held"),
    [
        ("4.0.1", "{format: fhir, version: R4}", 1),
        ("5.0.0", "{format: fhir, version: R4}", 0),
        ("4.0.1", "{format: fhir, version: R5}", 0),
        ("4.0.1", "{format: fhir, validate: none}", 0),
        ("", "{format: fhir}", 0),
    ],
)
def test_a_resource_is_right_by_the_version_of_its_message_or_of_the_mapping(
    version: str, reads: str, held: int
) -> None:
    of_r5 = ALONE | {"category": [{"text": "a list in R5 only"}]}
    assert len(mapped(of_r5, version=version, reads=reads).exceptions) == held


def test_a_mapping_that_is_strict_where_nobody_can_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def finding(text: str) -> str:
        with pytest.raises(WorkspaceError) as raised:
            compile_mapping(mapping(text), {})
        (only,) = raised.value.findings
        return str(only)

    text = HEAD.replace("fhir}", "fhir, validate: strict}") + BODY
    unlike = finding(text.replace("Procedure.focalDevice", "Composition.section").replace("manipulated", "entry"))
    assert unlike.startswith("mappings/m.yaml:2:33 error bad-value R4 has no strict validation of Composition")
    monkeypatch.setattr(strict, "find_spec", lambda _: None)
    assert finding(text).endswith("strict validation needs fhir.resources: pip install 'casecart[fhir-strict]'")


def test_only_fhir_is_validated() -> None:
    with pytest.raises(AssertionError, match="2:34 error bad-value only FHIR is validated"):
        mapping(HEAD.replace("fhir}", "hl7v2, validate: fast}") + BODY)


IMPORTED: Final = """
import sys
from unit.mapping import test_fhir_validity as tests
tests.mapped(tests.PROCEDURE | {"status": "done"})
assert "fhir.resources" not in sys.modules and "pydantic" not in sys.modules
tests.mapped(tests.PROCEDURE, reads="{format: fhir, validate: strict}")
assert "fhir.resources" in sys.modules
"""


def test_the_library_is_imported_when_a_strict_mapping_asks_it_and_not_before() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert (done.returncode, done.stderr) == (0, "")
