"""A simulated destination itself: it outlives every engine, and knows what was done there, and what must not be."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from casecart.runtime.destination import Answer
from casecart.runtime.states import OPEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from casecart.runtime.destination import Posting
    from support.simulation.world import World

__all__ = ["Erp"]

SETTLING = 2.0  # seconds until a look-up finds at the latest what was done

_ASKED = frozenset({"two-step", "searchable"})


class Erp:
    """One destination of one delivery class; it has the name of its class."""

    def __init__(self, name: str, world: World) -> None:
        self.name, self._world = name, world
        self.back_at = 0.0
        """Until then it is down."""
        self.effects: Counter[str] = Counter()
        """Key → how often it was done."""
        self.used: Counter[str] = Counter()
        """Line → how many, each key counted once."""
        self.troubled: Counter[str] = Counter()
        """Key → how often it did not get on."""
        self._payloads: dict[str, bytes] = {}
        self._done_at: dict[str, float] = {}
        self._drafts: dict[str, tuple[Literal["draft", "done", "cancelled"], Sequence[Posting]]] = {}
        self._unsure: set[str] = set()
        self._under_way: set[str] = set()

    # --- the engine calls, and is answered
    def called(self, name: str, postings: Sequence[Posting]) -> None:
        """What the engine must have seen to before this call is looked at."""
        keys = [posting.key for posting in postings]
        self._world.counts["calls"] += 1
        if doubled := self._under_way.intersection(keys):
            self._world.violated(f"{self.name}: {sorted(doubled)} is in two calls at once")
        self._under_way.update(keys)
        lines = [posting.line for posting in postings]
        if len(set(lines)) < len(lines):
            self._world.violated(f"{self.name}: two postings of a line in one call")
        for posting in postings:
            self._fenced(name, posting, keys)
        if name == "post" and self.name in _ASKED:
            if blind := self._unsure.intersection(keys):
                self._world.violated(f"{self.name}: {sorted(blind)} is sent again, and was not looked for")
            self._unsure.update(keys)

    def _fenced(self, name: str, posting: Posting, together: Iterable[str]) -> None:
        """It is in the store as it should be, and nothing of its key that comes before it is on its way."""
        said, row = self._world.ledger.get(posting.key), f"{self.name}: {posting.key}"
        if said is None:
            self._world.violated(f"{row} is sent and not in the store")
            return
        stored = said.posting
        if stored.state not in OPEN:
            self._world.violated(f"{row} is sent and is {stored.state} in the store")
        if stored.payload != posting.payload:
            self._world.violated(f"{row} is sent with another payload than is stored")
        if name == "post" and self.name in _ASKED and stored.state != "sent":
            self._world.violated(f"{row} is sent, and the store doesn't say so")
        if name == "carry out" and stored.reference != posting.reference:
            self._world.violated(f"{row} is carried out, and the store doesn't know its draft")
        if self.name == "two-step" and stored.group != posting.group:
            self._world.violated(f"{row} is sent in another draft than the store says")
        for earlier in self._world.before(said) if name != "look up" else ():
            if earlier.posting.state in OPEN and earlier.posting.key not in together:
                self._world.violated(f"{row} overtakes {earlier.posting.key}")

    def failed(self, name: str, keys: Iterable[str], *, sure: bool) -> None:
        """A call failed as a whole; `sure`: it had no effect."""
        self._under_way.difference_update(keys)
        self.troubled.update(keys)
        if sure and name == "post":
            self._unsure.difference_update(keys)

    def answered(self, keys: Sequence[str], answers: Sequence[Answer]) -> None:
        """A call was answered."""
        self._under_way.difference_update(keys)
        for key, answer in zip(keys, answers, strict=True):
            if answer.state in {"retry", "unknown"}:
                self.troubled[key] += 1
            if answer.state not in {"unknown", "drafted"}:
                self._unsure.discard(key)

    def forsaken(self) -> None:
        """The engine died."""
        self._under_way.clear()

    # --- what is done there
    def take(self, postings: Sequence[Posting]) -> list[Answer]:
        """Does all of them, as a destination of its class does."""
        return [self._take(posting) for posting in postings]

    def _take(self, posting: Posting) -> Answer:
        answer = self.verdict(posting)
        if answer.state == "posted" and not (self.name == "keyed" and self.effects[posting.key]):
            self._do(posting)
        return answer

    def verdict(self, posting: Posting) -> Answer:
        """What it says to a posting that comes through."""
        match _document(posting)["item"]:
            case "REFUSED":
                return Answer("rejected", code="refused", words="It will not take this.")
            case "ASKED":
                return Answer("held", code="asked", words="A person must say something.")
            case _:
                return Answer("posted", "read back", reference=f"R-{posting.key}")

    def _do(self, posting: Posting) -> None:
        key, document = posting.key, _document(posting)
        self._world.note(f"{self.name} does {key}")
        self.effects[key] += 1
        if self.effects[key] == 1:
            self._payloads[key] = posting.payload
            self._done_at[key] = self._world.clock.seconds() + self._world.chance.uniform(0.0, SETTLING)
            self.used[posting.line] += int(document["quantity"]) * (-1 if document["action"] == "reverse" else 1)
            if self.used[posting.line] < 0:
                self._world.violated(f"{self.name}: more of {posting.line} came back than went out")
        elif self.name in {"keyed", "two-step"}:
            self._world.violated(f"{self.name}: {key} is done twice")
        if self._payloads[key] != posting.payload:
            self._world.violated(f"{self.name}: {key} comes with two payloads")

    def visible(self, posting: Posting) -> bool:
        """Whether a look-up finds it: what was done a moment ago is not found yet."""
        done_at = self._done_at.get(posting.key)
        return done_at is not None and done_at <= self._world.clock.seconds()

    # --- drafts
    def draft(self, group: str, postings: Sequence[Posting]) -> None:
        """A draft moves nothing."""
        if group in self._drafts:
            self._world.violated(f"{self.name}: the draft {group} is made twice")
        self._drafts[group] = ("draft", postings)

    def carry_out(self, group: str) -> None:
        """All of a draft, once, and only if it is there and was not cancelled."""
        state, postings = self._drafts.get(group, ("cancelled", ()))
        if state == "draft":
            self._drafts[group] = ("done", postings)
            self.take(postings)

    def cancel(self, group: str) -> None:
        """It can't be carried out any more."""
        state, postings = self._drafts.get(group, ("done", ()))
        if state == "draft":
            self._drafts[group] = ("cancelled", postings)

    def there(self, group: str) -> bool:
        """Whether there is a draft that was not cancelled."""
        return group in self._drafts and self._drafts[group][0] != "cancelled"

    def done(self, group: str) -> bool:
        """Whether it was carried out."""
        return group in self._drafts and self._drafts[group][0] == "done"

    def holds(self, group: str) -> set[str]:
        """Keys of a draft's postings."""
        return {posting.key for posting in self._drafts.get(group, ("", ()))[1]}

    @property
    def leftovers(self) -> int:
        """Drafts that nobody carried out or cancelled."""
        return sum(state == "draft" for state, _ in self._drafts.values())


def _document(posting: Posting) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(posting.payload)
    return document
