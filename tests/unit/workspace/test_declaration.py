"""Declarations: what every one of them must say, and how a block is read by one."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Literal

import pytest

from casecart.workspace import (
    CODES,
    Channel,
    Component,
    Declared,
    Duration,
    Engine,
    ExactlyOne,
    FieldMapping,
    Finding,
    Flag,
    Key,
    Kinds,
    Secret,
    Size,
    SourcePath,
    Text,
    declared,
    key,
    keys_of,
)
from casecart.workspace import Mapping as MappingFile
from casecart.workspace.reader import read, written
from casecart.workspace.reading import Reading
from casecart.workspace.yaml import parse
from support.declarations import all_declarations


@declared(name="part", about="A part.", shorthand="name")
class Part(Declared):
    """A part."""

    name: Text = key(about="Its name.", example="stem")
    count: int = key(about="How many.", example=2, default=1, minimum=1, maximum=9)


@declared(name="glue", about="A way to join.")
class Glue(Declared):
    """A way to join."""

    glue: Text = key(about="Which glue.", example="bone cement")


@declared(name="screw", about="Another way to join.")
class Screw(Declared):
    """Another way to join."""

    screw: Text = key(about="Which screw.", example="M3")
    turns: Decimal | None = key(about="How far.", example="2.5", default=None)


@declared(
    name="kit",
    about="A bit of everything.",
    rules=(ExactlyOne(("left", "right"), unless="both"),),
)
class Kit(Declared):
    """A bit of everything."""

    name: Text = key(about="Its name.", example="hip", pattern="[a-z]+", form="lower-case letters")
    parts: tuple[Part, ...] = key(about="What is in it.", example="[stem, {name: cup, count: 2}]", default="[]")
    tags: tuple[str, ...] = key(about="Words.", example="[a, b]", default="[]", scalar=True)
    pair: tuple[str, ...] = key(about="Two words.", example="[a, b]", default="[]", at_least=2)
    where: SourcePath | None = key(about="A path.", example="PV1-19.1", default=None)
    joints: tuple[Glue | Screw, ...] = key(about="How it holds.", example="[{glue: x}]", default="[]")
    sizes: Mapping[str, Size] = key(about="Sizes.", example="{box: 10MB}", default="{}")
    wait: Duration = key(about="How long.", example="30s", default="50ms", maximum="1h")
    state: Literal["new", "used"] = key(about="Its state.", example="new", default="new")
    open: bool = key(about="Whether open.", example=True, default=False)
    sterile: Flag = key(about="Whether sterile.", example="true", default=None)
    pin: Secret | None = key(about="Its secret.", example="{env: PIN}", default=None)
    left: Flag = key(about="The left one.", example="true", default=None)
    right: Flag = key(about="The right one.", example="true", default=None)
    both: Flag = key(about="Both.", example="true", default=None)
    origin: Text = key(written="from", about="Where from.", example="Basel", default="nowhere")

    def check(self) -> Iterable[Finding]:
        """A used kit is not sterile."""
        if self.state == "used" and self.sterile:
            yield Finding(self.at("sterile"), "error", "one-of", "a used kit is not sterile")


GOOD = "name: hip\nleft: true\n"


def kit(text: str) -> tuple[Kit | None, list[str]]:
    node, findings = parse(text.encode(), "kit.yaml")
    assert node is not None
    reading = Reading(findings=findings)
    instance = read(Kit, node, reading)
    return instance, [str(finding).removeprefix("kit.yaml:") for finding in reading.findings]


def test_a_block_becomes_a_frozen_instance_of_the_declared_types() -> None:
    instance, findings = kit(
        "name: hip\nparts: [stem, {name: cup, count: 2}]\ntags: blue\nwhere: PV1-19.1\n"
        "joints: [{glue: cement}, {screw: M3, turns: 2.50}]\nsizes: {box: 10MB, bag: 2KiB}\nwait: 1.5h\n"
        "pin: {env: PIN}\nleft: true\nfrom: 0012\n".replace("1.5h", "15m")
    )
    assert findings == []
    assert instance == Kit(
        name=Text("hip"),
        parts=(Part(name=Text("stem")), Part(name=Text("cup"), count=2)),
        tags=("blue",),
        where=Text("PV1-19.1"),
        joints=(Glue(glue=Text("cement")), Screw(screw=Text("M3"), turns=Decimal("2.50"))),
        sizes={"box": 10_000_000, "bag": 2048},
        wait=900.0,
        pin=Secret(env="PIN"),
        left=True,
        origin=Text("0012"),
    )
    assert instance is not None
    assert (instance.state, instance.open, instance.sterile) == ("new", False, False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        instance.name = Text("knee")  # type: ignore[misc]  # that it fails is the test
    with pytest.raises(TypeError):
        instance.sizes["box"] = 1  # type: ignore[index]  # the same


def test_an_instance_and_its_texts_know_where_they_were_written() -> None:
    instance, _ = kit("name: hip\nboth: true\nparts:\n  - name: stem\n    count: 3\n")
    assert instance is not None
    assert str(instance.name.place) == "kit.yaml:1:7"
    assert str(instance.parts[0].place) == "kit.yaml:4:5"
    assert str(instance.parts[0].at("count")) == "kit.yaml:5:12"
    assert instance.at("wait") == instance.place  # a default stands nowhere; the block does
    assert str(Part(name=Text("made in Python")).place) == "-:1:1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("left: true", "1:1 error missing-key 'name' is missing in this kit"),
        (GOOD + "nmae: x", "3:1 error unknown-key 'nmae' is not a key of kit, which knows"),
        ("nmae: hip\nleft: true", "1:1 error unknown-key 'nmae' is not a key of kit. Did you mean 'name'?"),
        ("name:\nleft: true", "1:6 error empty-value 'name' has no value; write one, or remove the key"),
        ("name: null\nleft: true", "1:7 error empty-value 'name' has no value; write one, or remove the key; if"),
        ("name: [a]\nleft: true", "1:7 error expected-text 'name' takes one value: text"),
        ("name: Hip\nleft: true", "1:7 error bad-format 'name' has another form: lower-case letters"),
        (GOOD + "pair: []", "3:7 error too-few 'pair' is empty, and needs at least 2"),
        (GOOD + "pair: [a]", "3:7 error too-few 'pair' has 1, and needs at least 2"),
        (GOOD + "parts: 7", "3:8 error expected-list 'parts' is a list"),
        (GOOD + "parts: [{name: x, count: two}]", "3:26 error bad-value 'two' is not a value of 'count'; "),
        (GOOD + "parts: [{name: x, count: 0}]", "3:26 error out-of-range 'count' is at least 1"),
        (GOOD + "parts: [{name: x, count: 10}]", "3:26 error out-of-range 'count' is at most 9"),
        (GOOD + "parts: [[x]]", "3:9 error expected-keys 'part' is a block of keys and values"),
        (GOOD + "sizes: 10MB", "3:8 error expected-keys 'sizes' is a block of names"),
        (GOOD + "sizes: {box: 10}", "3:14 error bad-value '10' is not a value of 'box'; "),
        (GOOD + "wait: 30", "3:7 error bad-value '30' is not a value of 'wait'; "),
        (GOOD + "wait: 61m", "3:7 error out-of-range 'wait' is at most 1h"),
        (GOOD + "state: usde", "3:8 error unknown-value 'usde' is not a value of 'state', which knows new "),
        (GOOD + "open: yes", "3:7 error bad-value 'yes' is not a value of 'open'; write true or false"),
        (GOOD + "sterile: false", "3:10 error bad-value 'false' is not a value of 'sterile'; "),
        (GOOD + "right: true", "1:1 error one-of 'left' and 'right' exclude each other"),
        ("name: hip", "1:1 error one-of one of these keys is needed: left and right"),
        (GOOD + "joints: [{nail: x}]", "3:11 error unknown-step 'nail' is not a step; the steps known "),
        (GOOD + "joints: [{gleu: x}]", "3:11 error unknown-step 'gleu' is not a step; the steps known "),
        (GOOD + "joints: [{turns: 1}]", "3:10 error missing-key this step does nothing"),
        (GOOD + "joints: [{glue: x, screw: y}]", "3:20 error one-of 'glue' and 'screw' exclude each other"),
        (GOOD + "joints: [glue]", "3:10 error expected-keys a step is a block with one of the keys"),
        (GOOD + "joints: [{glue:x}]", "3:11 error unknown-step 'glue:x' is not a step"),
        (GOOD + "where: [PV1-19.1]", "3:8 error quote-path put the path of 'where' in quotes"),
        (GOOD + "where:\n  - PV1-19.1", "4:3 error expected-text 'where' takes one value: a path"),
        ("{name: hip, left: true, where: FT1-2, FT1-23.1}", "1:39 error quote-path the comma before 'FT1-23.1' ends"),
        (GOOD + "state: used\nsterile: true", "4:10 error one-of a used kit is not sterile"),
        ("just text", "1:1 error expected-keys 'kit' is a block of keys and values"),
        ("name:hip", "1:1 error expected-keys 'kit' is a block of keys and values; a space is missing behind"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_finding_at_its_place_that_says_what_to_do(text: str, expected: str) -> None:
    _, findings = kit(text)
    assert [finding.startswith(expected) for finding in findings] == [True], findings


@pytest.mark.parametrize(
    "value", ["hunter2", "[hunter2]", "{hunter2: x}", "{env: hunter2!}", "{env: A, file: hunter2}"]
)
def test_a_secret_in_the_file_is_a_finding_that_does_not_repeat_it(value: str) -> None:
    instance, findings = kit(GOOD + f"pin: {value}")
    assert instance is None
    assert len(findings) == 1
    assert "secret-literal" in findings[0]
    assert "hunter2" not in findings[0]


def test_what_a_refused_key_may_have_meant_is_not_missed_as_well() -> None:
    _, findings = kit("<<: {name: hip}\n")
    assert [finding.split()[2] for finding in findings] == ["yaml-merge"]


def _all() -> list[tuple[type[Declared], Key]]:
    found = all_declarations(Engine, Channel, MappingFile)
    assert {"Engine", "Facility", "PostStep", "FieldMapping"} <= {each.__name__ for each in found}
    return [(declaration, each) for declaration in found for each in keys_of(declaration)]


@pytest.mark.parametrize(
    ("declaration", "said"), [pytest.param(*pair, id=f"{pair[0].__name__}.{pair[1].name}") for pair in _all()]
)
def test_every_key_says_what_it_is_for_with_an_example_and_a_default_that_it_reads(
    declaration: type[Declared], said: Key, kinds: Kinds
) -> None:
    assert re.fullmatch(r"[A-Z*`0-9].+[.]", declaration.__declaration__.about)
    assert re.match(r"[A-Za-z*`].+", said.about)
    assert said.about.endswith(".")
    written(said, said.example, kinds)
    if said.default is not None:
        written(dataclasses.replace(said, at_least=0), said.default, kinds)


def test_the_code_of_every_rule_between_keys_is_listed() -> None:
    rules = {rule.code for declaration, _ in _all() for rule in declaration.__declaration__.rules}
    assert rules <= CODES.keys()


def test_a_field_without_key_cannot_be_declared() -> None:
    class Odd(Declared):
        name: str = "x"

    with pytest.raises(TypeError, match="not declared with key"):
        declared(name="odd", about="Odd.")(Odd)


def test_a_type_that_yaml_cannot_hold_cannot_be_declared() -> None:
    class Odd(Declared):
        name: set[str] = key(about="A set.", example="x")

    with pytest.raises(TypeError, match="cannot be declared"):
        declared(name="odd", about="Odd.")(Odd)


def test_a_default_of_none_needs_a_type_that_allows_it() -> None:
    class Odd(Declared):
        name: str = key(about="A name.", example="x", default=None)

    with pytest.raises(TypeError, match="None"):
        declared(name="odd", about="Odd.")(Odd)


def test_a_shorthand_leaves_nothing_required_unsaid() -> None:
    class Odd(Declared):
        name: str = key(about="A name.", example="x")
        other: str = key(about="Another.", example="y")

    with pytest.raises(TypeError, match="its name alone"):
        declared(name="odd", about="Odd.", shorthand="name")(Odd)


def test_an_alternative_without_a_key_of_its_own_name_cannot_be_declared() -> None:
    @declared(name="nameless", about="Nothing tells it.")
    class Nameless(Declared):
        other: Text = key(about="Another.", example="x")

    class Odd(Declared):
        step: Nameless | Glue = key(about="A step.", example="{glue: x}")

    Odd.__annotations__["step"] = Nameless | Glue  # a name inside a function is not found by its text
    with pytest.raises(TypeError, match="named like it"):
        declared(name="odd", about="Odd.")(Odd)


def test_a_default_that_its_own_type_does_not_read_is_noticed_by_who_needs_it() -> None:
    @declared(name="odd", about="Odd.")
    class Odd(Declared):
        count: int = key(about="A count.", example=1, default="one")

    with pytest.raises(TypeError, match="count: 'one' is not a value"):
        Odd()


def test_keys_are_inherited() -> None:
    @declared(name="pack", about="A part with a label.")
    class Pack(Part):
        label: Text = key(about="Its label.", example="A", default="none")

    assert [each.name for each in keys_of(Pack)] == ["name", "count", "label"]
    assert Pack(name=Text("x")).count == 1


def test_components_compare_by_what_they_are_not_by_where() -> None:
    assert FieldMapping(path=(Text("a"),), required=True) == FieldMapping(path=(Text("a"),), required=True)
    assert Component("part", Part(name=Text("x"))) == Component("part", Part(name=Text("x")))
