"""Why something that was asked can't be done, for the person who asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from casecart.workspace import Finding

__all__ = ["Refusal", "RefusalCode", "RevisionUnusable"]

RefusalCode = Literal["not-found", "ambiguous", "not-permitted", "bad-value", "damaged", "deleted", "conflict"]


class Refusal(Exception):
    """Nothing was done.

    Args:
        code: stable; an API answers by it.
        words: what is wrong and what to do, without a final full stop where a suggestion follows.
        suggestion: the name that was probably meant.
    """

    def __init__(self, code: RefusalCode, words: str, suggestion: str | None = None) -> None:
        super().__init__(words if suggestion is None else f"{words}. Did you mean '{suggestion}'?")
        self.code, self.words, self.suggestion = code, words, suggestion


class RevisionUnusable(Exception):
    """A revision can't be run by this program, or with what lies beside it now (secrets, certificates).

    Args:
        number: the revision's.
        findings: what `casecart check` would say of its files.
    """

    def __init__(self, number: int, findings: tuple[Finding, ...]) -> None:
        errors = [str(finding) for finding in findings if finding.severity == "error"]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"revision {number} can't be run: {errors[0]}{more}")
        self.number, self.findings = number, findings
