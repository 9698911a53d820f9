"""The engine's own secrets, and whether a store was filled with this one."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from casecart.rules import MINIMUM_SECRET, Keys, Tokens
from casecart.runtime.marks import FINGERPRINT
from casecart.store import Change, Cursor
from casecart.workspace import Finding, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.store import Store
    from casecart.workspace import Secret, Workspace

__all__ = ["deidentification_key", "keys_of", "tokens_of"]


def keys_of(workspace: Workspace, environment: Mapping[str, str], store: Store) -> Keys:
    """What makes the keys of ledger and postings.

    Another secret would give every line another key, and so post everything again on a replay: the store remembers a
    fingerprint of it from its first start on.

    Args:
        workspace: says where the secret is.
        environment: where secrets that name a variable are found.
        store: in the role of the engine; its first fingerprint is written.

    Raises:
        WorkspaceError: `secret-short`; `secret-changed`; `store-earlier`, where an earlier version made its keys in
            another way.
    """
    keys = Keys(_revealed(workspace, workspace.engine.secrets.keys, "keys", environment))
    known = next((cursor.position for cursor in store.cursors() if cursor.name == FINGERPRINT), None)
    if known is None:
        store.write(Change(cursors=[Cursor(FINGERPRINT, 0, keys.fingerprint, 0)]))
    elif known == keys.earlier_fingerprint:
        words = (
            "an earlier version filled this store and made its keys in another way: worked again, its lines "
            "would be posted again. Keep it to read, and begin with a new one"
        )
        raise WorkspaceError([Finding(workspace.engine.store.place, "error", "store-earlier", words)])
    elif known != keys.fingerprint:
        words = (
            "this is not the secret that the store's keys were made with; with another, lines that are posted "
            "already would be posted again. Bring the old one back"
        )
        raise WorkspaceError([Finding(workspace.engine.secrets.keys.place, "error", "secret-changed", words)])
    return keys


def tokens_of(workspace: Workspace, environment: Mapping[str, str]) -> Tokens:
    """What makes the tokens of patient identifiers. Raises `WorkspaceError`: `secret-short`."""
    return Tokens(_revealed(workspace, workspace.engine.secrets.tokens, "tokens", environment))


def deidentification_key(workspace: Workspace, environment: Mapping[str, str]) -> bytes:
    """What other values are made by where a message is de-identified. Raises `WorkspaceError`: as `tokens_of` does."""
    secret = _revealed(workspace, workspace.engine.secrets.tokens, "tokens", environment)
    return hmac.digest(secret, b"casecart deidentification", "sha256")


def _revealed(workspace: Workspace, secret: Secret, name: str, environment: Mapping[str, str]) -> bytes:
    value = secret.reveal(environment, workspace.root).encode()
    if len(value) < MINIMUM_SECRET:
        words = f"the secret for {name} has fewer than {MINIMUM_SECRET} characters; `casecart init` makes a good one"
        raise WorkspaceError([Finding(secret.place, "error", "secret-short", words)])
    return value
