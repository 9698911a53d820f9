"""channels/NAME.yaml: which messages a channel accepts, and the steps that they take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from casecart.workspace.bring import BringStep
from casecart.workspace.declaration import NAME, Declared, declared, key
from casecart.workspace.findings import Finding, listed
from casecart.workspace.hook import HookStep
from casecart.workspace.note import FillStep, NoteStep
from casecart.workspace.resolve import ResolveStep
from casecart.workspace.scalar import Duration, Expression
from casecart.workspace.send import SendStep
from casecart.workspace.text import Text
from casecart.workspace.verify import VerifyStep

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Channel",
    "HoldStep",
    "MapStep",
    "OtherwiseStep",
    "Owner",
    "Post",
    "PostStep",
    "Retain",
    "Route",
    "RouteStep",
]


@declared(name="owner", about="Who answers for a channel.")
class Owner(Declared):
    """Who answers for a channel."""

    business: Text = key(about="Who decides what it should do.", example="Supply chain")
    technical: Text = key(about="Who mends it.", example="Integration")


@declared(name="post", about="A change that a destination is asked to make.", shorthand="to")
class Post(Declared):
    """A change that a destination is asked to make."""

    to: Text = key(about="The destination, by its name in the configuration.", example="inventory", names="destination")
    kind: Literal["consumption", "charge"] = key(
        written="as",
        about=(
            "What it is to the destination: stock that was used, or what the patient's account is charged. The "
            "reversal of a use is a consumption or charge too, with the action reverse. Each has a ledger of its own, "
            "so that a line can be both, each by a channel of its own."
        ),
        example="consumption",
        default="consumption",
    )


_WHEN = "The entry is taken when this is true; without it, always."
_WHEN_EXAMPLE = "\"usage.department == 'OR-MAIN'\""
_HOLD = "Why a person must decide, in words for that person; the line waits in the worklist."


@declared(name="post", about="An entry of a route that posts the line.")
class PostStep(Declared):
    """An entry of a route that posts the line."""

    when: Expression | None = key(about=_WHEN, example=_WHEN_EXAMPLE, default=None)
    post: Post = key(about="Where the line is posted, and as what.", example="{to: inventory, as: consumption}")


@declared(name="hold", about="An entry of a route that holds the line for a person.")
class HoldStep(Declared):
    """An entry of a route that holds the line for a person."""

    when: Expression | None = key(about=_WHEN, example=_WHEN_EXAMPLE, default=None)
    hold: Text = key(about=_HOLD, example="Ownership is not handled yet")


@declared(name="otherwise", about="The last entry of a route, for lines that no other entry took.")
class OtherwiseStep(Declared):
    """The last entry of a route, for lines that no other entry took."""

    otherwise: PostStep | HoldStep = key(
        about="What is done with them: post, or hold.", example="{hold: Ownership is not handled yet}"
    )

    def check(self) -> Iterable[Finding]:
        """It takes every line, so that it has no condition."""
        if self.otherwise.when is not None:
            message = "otherwise takes every line that is left; an entry with a condition goes before it"
            yield Finding(self.otherwise.at("when"), "error", "route-order", message)


Route = PostStep | HoldStep | OtherwiseStep
"""An entry of a route; the first that fits a line is taken."""


@declared(name="map", about="A step that makes canonical documents of the message.")
class MapStep(Declared):
    """A step that makes canonical documents of the message."""

    map: Text = key(about="The mapping, by its name.", example="dft-usage", names="mapping")


@declared(name="route", about="A step that says what becomes of each line.")
class RouteStep(Declared):
    """A step that says what becomes of each line."""

    route: tuple[PostStep | HoldStep | OtherwiseStep, ...] = key(
        about="Entries are tried from the top; the first that fits is taken. A line that none fits is held.",
        example="[{post: {to: inventory, as: consumption}}]",
        at_least=1,
    )

    def check(self) -> Iterable[Finding]:
        """No entry stands behind one that takes everything."""
        for entry, following in zip(self.route, self.route[1:], strict=False):
            if isinstance(entry, OtherwiseStep) or entry.when is None:
                message = f"this entry is never reached: the one in line {entry.place.line} takes every line"
                yield Finding(following.place, "error", "route-order", message)
                return


@declared(name="retain", about="How long a channel's messages are kept.")
class Retain(Declared):
    """How long a channel's messages are kept."""

    bodies: Duration | None = key(
        about=(
            "How long a message's bytes are kept; without it, as `retain` of config/engine.yaml says. That it came, "
            "and what was made of it, is kept longer."
        ),
        example="90d",
        default=None,
        minimum="1d",
    )


@declared(name="channel", about="Which messages are accepted, and the steps that they take.")
class Channel(Declared):
    """The whole of a channel file."""

    channel: Text = key(about="Its name, which is also the file's.", example="or-usage", pattern=NAME)
    about: Text = key(
        about="What it is for, in a sentence that a colleague understands.",
        example="Implants and supplies documented in the operating room become stock movements.",
    )
    owner: Owner | None = key(
        about="Who answers for it.", example="{business: Supply chain, technical: Integration}", default=None
    )
    sources: tuple[Text, ...] = key(
        written="from",
        about="The listeners whose messages it takes, by their names in the configuration.",
        example="[or-mllp]",
        scalar=True,
        names="listener",
        at_least=1,
    )
    peers: tuple[Text, ...] = key(
        about=(
            "The senders whose messages it takes, by their names at those listeners; without it, every sender's. By it "
            "two channels tell messages of one type apart."
        ),
        example="[orsys]",
        default="[]",
        scalar=True,
        names="peer",
        at_least=1,
    )
    accept: tuple[Text, ...] = key(
        about=(
            "The message types that it takes: type and event as in MSH-9, `*` for every event; or FHIR resource types, "
            "by themselves and in the entries of bundles."
        ),
        example="[DFT^P03, DFT^P11]",
        scalar=True,
        at_least=1,
        pattern=r"[A-Z][A-Z0-9]{2}\^([A-Z0-9]{3}|\*)|[A-Z][a-z][A-Za-z]{1,48}",
        form="DFT^P03, DFT^* for every event, or a FHIR resource type such as Procedure",
    )
    steps: tuple[
        MapStep | HookStep | FillStep | ResolveStep | VerifyStep | RouteStep | BringStep | NoteStep | SendStep, ...
    ] = key(
        about="What is done with a message, in this order.",
        example="[{map: dft-usage}, {route: [{post: {to: inventory, as: consumption}}]}]",
        at_least=1,
    )
    retain: Retain = key(about="How long its messages are kept.", example="{bodies: 90d}", default="{}")
    line: Literal["told", "serial"] = key(
        about=(
            "What a line of a case is. told: what the sender gives an id of its own. serial: a thing with a serial "
            "number, whatever id it has; so that channels which say so, such as one of HL7 v2 and one of FHIR, tell of "
            "the same line: what the second one says changes nothing, and is held if it disagrees. Lines without a "
            "serial number are as told."
        ),
        example="serial",
        default="told",
    )
    # The last one, because from here on the class has another `key`.
    key: Text = key(
        about="The document's field that orders postings: those with the same value go out one by one.",
        example="case",
        default="case",
        names="field",
    )

    @property
    def mappings(self) -> tuple[Text, ...]:
        """The names of the mappings that its steps use."""
        made = (step.map for step in self.steps if isinstance(step, MapStep))
        brought = self.bring.bring.mappings if self.bring is not None else ()
        return (*made, *brought, *(self.note.note if self.note is not None else ()))

    @property
    def bring(self) -> BringStep | None:
        """The step that brings master data in, of a channel for those."""
        return next((step for step in self.steps if isinstance(step, BringStep)), None)

    @property
    def note(self) -> NoteStep | None:
        """The step that notes where cases are, of a channel for that."""
        return next((step for step in self.steps if isinstance(step, NoteStep)), None)

    @property
    def send(self) -> SendStep | None:
        """The step that tells a destination of items, of a channel for those."""
        return next((step for step in self.steps if isinstance(step, SendStep)), None)

    @property
    def book(self) -> str:
        """Which ledger its lines are in: empty for that of the stock, else the kind of its postings."""
        kinds = [post.kind for post in self.posts]
        return kinds[0] if kinds and kinds[0] != "consumption" else ""

    @property
    def posts(self) -> Iterable[Post]:
        """What its route posts, in the order of the entries."""
        for step in self.steps:
            for entry in step.route if isinstance(step, RouteStep) else ():
                plain = entry.otherwise if isinstance(entry, OtherwiseStep) else entry
                if isinstance(plain, PostStep):
                    yield plain.post

    @property
    def hook(self) -> HookStep | None:
        """The step that has a Python file look at its lines, if it has one."""
        return next((step for step in self.steps if isinstance(step, HookStep)), None)

    def check(self) -> Iterable[Finding]:
        """Lines are made, filled, found, looked at and routed by a step each, as one thing.

        Master data are brought in, cases noted, and items sent, by one step alone.
        """
        alone = self.bring or self.note or self.send
        if alone is not None:
            if len(self.steps) > 1:
                noted = "cases are noted" if alone is self.note else "items are sent"
                what = "master data are brought in" if alone is self.bring else noted
                message = f"{what} by one step, and no other: give lines a channel of their own"
                yield Finding(alone.place, "error", "step-order", message)
            return
        posts = [*self.posts]
        for post in posts[1:]:
            if post.kind != posts[0].kind:
                message = f"this channel's lines are posted as {posts[0].kind}; as {post.kind} by a channel of its own"
                yield Finding(post.at("as"), "error", "bad-value", message)
        order = (MapStep, HookStep, FillStep, ResolveStep, VerifyStep, RouteStep)
        names = [step.__declaration__.name for step in order]
        last = -1
        for step in self.steps:
            place = order.index(type(step))
            if place <= last:
                message = f"there is one step of a kind, in the order {listed(names)}; this {names[place]} is out of it"
                yield Finding(step.place, "error", "step-order", message)
                return
            if last < 0 < place:
                message = f"a {names[place]} needs lines, and nothing has made any yet; begin with a step map: NAME"
                yield Finding(step.place, "error", "step-order", message)
                return
            last = place
        if last != len(order) - 1:
            message = "the last step is a route, which says where the lines go"
            yield Finding(self.at("steps"), "error", "step-order", message)
