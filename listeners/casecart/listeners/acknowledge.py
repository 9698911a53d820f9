"""How the messages of a listener or a peer are answered, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from casecart.workspace import Declared, Duration, Finding, declared, key

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Acknowledge", "ApplicationCode"]

ApplicationCode = Literal["AA", "AE", "AR"]

_POLICY: Final = ("held", "unrouted", "put_aside")


@declared(name="acknowledge", about="How messages are answered, and when.", shorthand="when")
class Acknowledge(Declared):
    """How messages are answered, and when."""

    mode: Literal["auto", "original", "enhanced", "commit-then-app", "none"] = key(
        about=(
            "`auto` does as MSH-15 and MSH-16 of a message ask; `original` answers AA, AE or AR whatever they say, "
            "`enhanced` CA, CE or CR; `commit-then-app` answers twice on the same connection: CA when the message is "
            "stored, AA, AE or AR when its work is committed; `none` never answers."
        ),
        example="original",
        default="auto",
    )
    when: Literal["on_store", "on_complete"] = key(
        about=(
            "`on_store` answers when the message is safely stored. `on_complete` waits until its documents and "
            "postings are as well, for senders that must not go on before; it never waits for a destination."
        ),
        example="on_complete",
        default="on_store",
    )
    within: Duration = key(
        about=(
            "With `on_complete` and `commit-then-app`: after this time a message that is stored and not yet through is "
            "answered as stored."
        ),
        example="10s",
        default="30s",
        minimum="1s",
        maximum="10m",
    )
    held: ApplicationCode = key(
        about=(
            "What a message is answered with of which lines wait for a person: AA, since they are in the worklist, or "
            "AE or AR with the places and reasons, for senders whose own people are to correct it. Like the two that "
            "follow, with `on_complete` or `commit-then-app` only."
        ),
        example="AE",
        default="AA",
    )
    unrouted: ApplicationCode = key(
        about="What a message is answered with that no channel takes.", example="AR", default="AA"
    )
    put_aside: ApplicationCode = key(
        about="What a message is answered with that was put aside whole, since it can't be worked.",
        example="AE",
        default="AA",
    )
    not_stored: Literal["close", "error"] = key(
        about=(
            "What a sender is told while messages can't be stored: `close` answers nothing and closes the connection, "
            "so that every sender keeps its message; `error` answers AE or CE, for senders known to send again then."
        ),
        example="error",
        default="close",
    )

    @property
    def complete_within(self) -> float | None:
        """Seconds that an answer waits for the work on its message; None: none does."""
        waits = self.mode == "commit-then-app" or (self.when == "on_complete" and self.mode != "none")
        return self.within if waits else None

    def check(self) -> Iterable[Finding]:
        """What is said has an effect."""
        if self.mode == "commit-then-app" and self.when == "on_complete":
            words = "`commit-then-app` answers both when a message is stored and when it is complete: leave out `when`"
            yield Finding(self.at("when"), "error", "bad-value", words)
        for name in _POLICY:
            if getattr(self, name) == "AA":
                continue
            if self.complete_within is None:
                words = (
                    f"what comes of a message is not known when it is stored: '{name}' needs `when: on_complete` or "
                    "`mode: commit-then-app`"
                )
                yield Finding(self.at(name), "error", "bad-value", words)
            elif self.mode == "enhanced":
                words = (
                    f"CA, CE and CR tell only whether a message is safe: '{name}' needs mode `original` or "
                    "`commit-then-app`"
                )
                yield Finding(self.at(name), "error", "bad-value", words)
