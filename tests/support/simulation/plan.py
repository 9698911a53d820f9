"""What simulated senders say, and what must have come of it in the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.simulation.workspace import CLASSES

if TYPE_CHECKING:
    from random import Random

__all__ = ["Message", "Plan", "make_plan"]

SENDERS = 4
CASES = 7


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a sender.

    Attributes:
        control_id: MSH-10.
        body: its bytes.
        kind: such as ``DFT^P03``; no channel takes another one.
        within: seconds in which the sender wants all of its work committed, or None.
    """

    control_id: str
    body: bytes
    kind: str = "DFT^P03"
    within: float | None = None


@dataclass(slots=True)
class Plan:
    """Who says what, and what comes of it.

    Attributes:
        senders: the messages of each, in the order in which it sends them.
        used: (destination, line) → how many are used when everything has been said.
        refused: (destination, line) of what the destination will not take.
        stated_in: line → bodies of the messages that speak of it.
        filtered: how many lines are left out by the mapping.
        held: how many lines the route holds.
        unrouted: how many messages no channel takes.
    """

    senders: list[list[Message]] = field(default_factory=list)
    used: dict[tuple[str, str], int] = field(default_factory=dict)
    refused: set[tuple[str, str]] = field(default_factory=set)
    stated_in: dict[str, list[bytes]] = field(default_factory=dict)
    filtered: int = 0
    held: int = 0
    unrouted: int = 0


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    to: str
    item: str

    def says(self, kind: str, quantity: int, name: str = "") -> str:
        return f"{name or self.name}|{kind}|{self.item}|{quantity}|{self.to}|L-{self.name}"


def make_plan(chance: Random) -> Plan:
    """Charges, credits under the id of their line and under ids of their own, in time and too early, and the rest."""
    plan = Plan(senders=[[] for _ in range(SENDERS)])
    for number in range(chance.randint(3, CASES)):
        _say_case(plan, f"C{number}", chance)
    for number, messages in enumerate(plan.senders):
        if chance.random() < 0.3:
            plan.unrouted += 1
            body = _body(f"A{number}", "C0", [], "ADT^A01")
            messages.insert(chance.randint(0, len(messages)), Message(f"A{number}", body, "ADT^A01"))
    return plan


def _say_case(plan: Plan, case: str, chance: Random) -> None:
    owner, other = chance.sample(range(SENDERS), 2)
    told: list[tuple[str, list[str]]] = []
    foreign: list[tuple[str, str]] = []
    for number in range(chance.randint(1, 5)):
        item = chance.choices(["SCREW", "REFUSED", "ASKED"], [20, 1, 1])[0]
        line = _Line(f"{case}-{number}", chance.choice(CLASSES), item)
        told.append((line.name, _say_line(plan, line, foreign, chance)))
    # Several lines in a message; what is said of one line is said in order, in messages of its own.
    while told:
        chosen = [each for each in told if chance.random() < 0.6] or told[:1]
        texts = [said.pop(0) for _, said in chosen]
        names = [name for name, _ in chosen]
        told = [each for each in told if each[1]]
        if chance.random() < 0.15:
            plan.filtered += 1
            texts.append(f"P-{case}|PY|FEE|1|keyed|")
        if chance.random() < 0.1:
            plan.held += 1
            texts.append(f"H-{case}-{len(plan.senders[owner])}|CG|SCREW|1|WARD|")
        _tell(plan, owner, (case, texts, names), chance)
    for name, text in foreign:
        _tell(plan, other, (case, [text], [name]), chance)


def _say_line(plan: Plan, line: _Line, foreign: list[tuple[str, str]], chance: Random) -> list[str]:
    """What is said of a line in order; a credit that another sender gives goes to `foreign`."""
    left = chance.randint(1, 5)
    said = [line.says("CG", left)]
    if line.item != "SCREW":
        plan.refused.add((line.to, line.name))
        return said
    again = chance.random() < 0.3
    if chance.random() < 0.3:  # another sender takes some back, perhaps before they are charged
        back = chance.randint(1, left)
        left, again = left - back, False
        foreign.append((line.name, line.says("CD", back, f"X-{line.name}")))
    while left and chance.random() < 0.4:
        back = chance.randint(1, left)
        left -= back
        said.append(line.says("CD", back))
    if again and not left:
        left = chance.randint(1, 5)
        said.append(line.says("CG", left))
    plan.used[line.to, line.name] = left
    return said


def _tell(plan: Plan, sender: int, what: tuple[str, list[str], list[str]], chance: Random) -> None:
    messages = plan.senders[sender]
    case, texts, names = what
    control_id = f"S{sender}-{len(messages)}"
    if messages and chance.random() < 0.04:
        control_id = messages[-1].control_id  # used again for another message, as careless senders do
    body = _body(control_id, case, texts, "DFT^P03", len(messages))
    messages.append(Message(control_id, body, within=5.0 if chance.random() < 0.15 else None))
    for name in names:
        plan.stated_in.setdefault(name, []).append(body)


def _body(control_id: str, case: str, lines: list[str], kind: str, unlike: int = 0) -> bytes:
    """A made-up message, told from others of its control id by a number; a line is ``id|type|item|quantity|to|lot``."""
    segments = [
        f"MSH|^~\\&|ORSYS|NORTH|CASECART|MERCY|20261103101500||{kind}|{control_id}|P|2.5.1",
        f"PID|{unlike}||MRN0001",
        f"PV1|1|I|||||||||||||||||{case}",
    ]
    for number, line in enumerate(lines, start=1):
        name, transaction, item, quantity, department, lot = line.split("|")
        segments.append(f"FT1|{number}|{name}||20261103||{transaction}|{item}|||{quantity}|||{department}")
        if lot:
            segments.append(f"PRT|{number}|UC||EQUIP{'|' * 15}{lot}")
    return "".join(segment + "\r" for segment in segments).encode()
