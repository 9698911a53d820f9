"""The ways out of the simulated engine: one of each delivery class, whose answers get lost as the seed says."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from twisted.internet.defer import Deferred, succeed

from casecart.runtime.destination import (
    Answer,
    Delivery,
    Destination,
    DestinationContext,
    DestinationSpec,
    NotDelivered,
    OutcomeUnknown,
    Posting,
)
from casecart.workspace import Declared, declared, key
from support.simulation.erp import SETTLING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from support.simulation.erp import Erp
    from support.simulation.life import Life
    from support.simulation.world import World

__all__ = ["SPEC"]

_UNKNOWN: Final = ("no-answer", "The simulated destination did not answer.")
_DOWN: Final = ("http-503", "The simulated destination is down.")
_BUSY: Final = ("http-429", "The simulated destination is busy.")


@declared(name="simulated destination", about="A destination that is made up.")
class SimulatedSettings(Declared):
    """What is written under `kind: simulated`."""

    delivery: Literal["keyed", "two-step", "searchable", "blind"] = key(about="Its class.", example="keyed")
    batch: int = key(about="Postings a call.", example=5, minimum=1)
    concurrency: int = key(about="Calls at once.", example=2, minimum=1)


@dataclass(frozen=True, slots=True)
class _Call:
    name: str
    postings: list[Posting]
    fate: str
    how: Callable[[Sequence[Posting], str], Sequence[Answer] | Exception]
    done: Deferred[Sequence[Answer]]


class Connector:
    """One life's connector to one of the world's destinations."""

    settling = SETTLING

    def __init__(self, context: DestinationContext) -> None:
        self.delivery = Delivery(context.settings.delivery)
        self._name = context.name
        self._life: Life = context.reactor
        self._world: World = self._life.world
        self._erp: Erp = self._world.erps[context.name]

    def post(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """As the weather is."""
        return self._call("post", postings, self._draft if self.delivery is Delivery.TWO_STEP else self._post)

    def look_up(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """What it has, if it can be asked."""
        return self._call("look up", postings, self._look_up)

    def carry_out(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Have drafts their effect."""
        return self._call("carry out", postings, self._carry_out)

    def groups(self, postings: Sequence[Posting]) -> Sequence[str]:
        """One draft for what goes out together of a row, and another one each time."""
        return [f"{postings[0].key}/{max(posting.attempts for posting in postings)}"] * len(postings)

    def goes_on_with(self, group: str, keys: Sequence[str]) -> bool:
        """Whether a draft may be carried out when only these of its postings are asked for."""
        return self._erp.holds(group) == set(keys)

    def stop(self) -> Deferred[None]:
        """Nothing to let go of."""
        return succeed(None)

    def _call(
        self,
        name: str,
        postings: Sequence[Posting],
        how: Callable[[Sequence[Posting], str], Sequence[Answer] | Exception],
    ) -> Deferred[Sequence[Answer]]:
        world = self._world
        done: Deferred[Sequence[Answer]] = Deferred()
        if self._life.over:
            return done
        keys = [posting.key for posting in postings]
        fate = world.chance.choice(self._fates(name)) if world.happens(world.weather.trouble) else "fine"
        if world.storm and world.clock.seconds() < self._erp.back_at:
            fate = "down"
        world.note(f"{name} {self._name} {keys} {fate}")
        self._erp.called(name, postings)
        if fate == "fault" and world.chance.random() < 0.5:
            self._erp.failed(name, keys, sure=False)
            raise RuntimeError("a simulated fault of the connector")
        # The request as it is now: what the engine makes of its postings later does not change it.
        copies = [msgspec.structs.replace(posting) for posting in postings]
        world.later(world.latency(), self._arrive, _Call(name, copies, fate, how, done))
        return done

    @staticmethod
    def _fates(name: str) -> list[str]:
        usual = ["down", "lost before", "lost after", "late", "fault"]
        return [*usual, "busy", "partial", "mixed"] if name == "post" else usual

    def _arrive(self, call: _Call) -> None:
        """The request is there, if it comes through; what it does there needs no engine any more."""
        world = self._world
        if call.fate == "down":
            after = world.chance.choice([None, None, world.chance.uniform(0.1, 3.0)])
            said: Sequence[Answer] | Exception = NotDelivered(*_DOWN, after)
        elif call.fate == "fault":
            said = RuntimeError("a simulated fault of the connector")
        else:
            said = call.how(call.postings, call.fate)
        late = world.chance.uniform(0.5, 3.0) if isinstance(said, OutcomeUnknown) else 0.0
        world.later(world.latency() + late, self._answer, call, said)

    def _answer(self, call: _Call, said: Sequence[Answer] | Exception) -> None:
        if self._life.over:
            return
        keys = [posting.key for posting in call.postings]
        if isinstance(said, Exception):
            self._world.note(f"{self._name} {type(said).__name__} {keys}")
            self._erp.failed(call.name, keys, sure=isinstance(said, NotDelivered))
            call.done.errback(said)
            return
        self._world.note(f"{self._name} {[answer.state for answer in said]} {keys}")
        self._erp.answered(keys, said)
        call.done.callback(said)

    # --- what happens there
    def _post(self, postings: Sequence[Posting], fate: str) -> Sequence[Answer] | Exception:
        world, erp = self._world, self._erp
        if fate in {"lost before", "lost after", "late"}:
            if fate == "lost after":
                erp.take(postings)
            elif fate == "late":
                world.later(world.chance.uniform(0.1, 6.0), erp.take, postings)
            return OutcomeUnknown(*_UNKNOWN)
        if fate == "busy":
            wait = world.chance.uniform(0.1, 3.0)
            return [Answer("retry", "", "", *_BUSY, tried=False, retry_after=wait) for _ in postings]
        if fate == "partial":
            come = world.chance.randint(0, len(postings))
            return erp.take(postings[:come]) + [
                Answer("retry", "", "", *_BUSY, tried=False) for _ in postings[come:]
            ]  # fmt: skip
        if fate == "mixed":
            return [self._one(posting) for posting in postings]
        return erp.take(postings)

    def _one(self, posting: Posting) -> Answer:
        """Of several in one call, each has a fate of its own."""
        how = self._world.chance.choice(["fine", "retry", "unknown", "unknown after all"])
        if how == "retry":
            return Answer("retry", "", "", *_BUSY)
        if how == "unknown":
            return Answer("unknown", "", "", *_UNKNOWN)
        (answer,) = self._erp.take([posting])
        return answer if how == "fine" else Answer("unknown", "", "", *_UNKNOWN)

    def _draft(self, postings: Sequence[Posting], fate: str) -> Sequence[Answer] | Exception:
        """A draft for each group, which has no effect."""
        if fate == "busy":
            return self._post(postings, fate)
        groups = _by_group(postings)
        steps = [partial(self._erp.draft, group, mine) for group, mine in groups.items()]
        if not self._take_steps(steps, fate):
            return OutcomeUnknown(*_UNKNOWN)
        return [Answer("drafted", reference=posting.group) for posting in postings]

    def _carry_out(self, postings: Sequence[Posting], fate: str) -> Sequence[Answer] | Exception:
        """Draft after draft; one of which only a part is asked for is cancelled, unless it is done."""
        erp = self._erp
        steps: list[Callable[[], None]] = []
        for group, mine in _by_group(postings).items():
            whole = self.goes_on_with(group, [posting.key for posting in mine])
            steps.append(partial(erp.carry_out if whole else erp.cancel, group))
        if not self._take_steps(steps, fate):
            return OutcomeUnknown(*_UNKNOWN)
        return [erp.verdict(posting) if erp.done(posting.group) else Answer("retry") for posting in postings]

    def _take_steps(self, steps: Sequence[Callable[[], None]], fate: str) -> bool:
        """Whether all were taken, and that was heard."""
        world = self._world
        breaks_at = world.chance.randrange(len(steps)) if fate != "fine" else len(steps)
        for step in steps[:breaks_at]:
            step()
        if breaks_at < len(steps):
            if fate in {"lost after", "mixed"}:
                steps[breaks_at]()
            elif fate == "late":
                world.later(world.chance.uniform(0.1, 6.0), steps[breaks_at])
        return breaks_at == len(steps)

    def _look_up(self, postings: Sequence[Posting], fate: str) -> Sequence[Answer] | Exception:
        erp = self._erp
        if fate != "fine":
            return OutcomeUnknown(*_UNKNOWN)
        if self.delivery is Delivery.TWO_STEP:
            there = Answer("drafted", reference="there")
            return [
                msgspec.structs.replace(there, reference=posting.group) if erp.there(posting.group) else Answer("retry")
                for posting in postings
            ]
        return [erp.verdict(posting) if erp.visible(posting) else Answer("retry") for posting in postings]


def _by_group(postings: Sequence[Posting]) -> dict[str, list[Posting]]:
    groups: dict[str, list[Posting]] = {}
    for posting in postings:
        groups.setdefault(posting.group, []).append(posting)
    return groups


def _make(context: DestinationContext) -> Destination:
    return Connector(context)


SPEC: Final = DestinationSpec(
    kind="simulated", about="A destination that is made up.", settings=SimulatedSettings, make=_make
)
