"""A certificate that is renewed in its file is taken into use without a restart: new connections have the new one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from casecart.runtime.tls import ServerTls, client_context, ends_of, server_context
from casecart.workspace import WorkspaceError

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from casecart.runtime.tls import Tls

__all__ = ["Renewal", "date_of"]


class Renewal:
    """The context of one listener or destination, made anew when one of its files has changed.

    Args:
        tls: what the configuration says.
        root: of the workspace.

    Attributes:
        context: for connections from now on; those that are there keep theirs.
        ends: when the first of this side's own certificates ends, seconds since 1970; None where it has none.

    Raises:
        WorkspaceError: the files can't be used as they are now.
    """

    def __init__(self, tls: Tls, root: Path) -> None:
        self._tls, self._root = tls, root
        secret = tls.private_key
        names = [tls.certificate, secret.file if secret is not None else None, tls.authorities]
        self._files = [root / str(name) for name in names if name is not None]
        self._seen = self._look_at_files()
        self.context, self.ends = self._made()

    def look(self) -> str | None:
        """Has it made anew if a file has changed; gives what is to be said about that, in words for a log.

        Files that can't be used change nothing: who writes one after the other is in the midst of it, and who made a
        mistake needs the old ones until it is mended.
        """
        seen = self._look_at_files()
        if seen == self._seen:
            return None
        self._seen = seen
        try:
            self.context, self.ends = self._made()
        except WorkspaceError as error:
            return f"the certificate stays as it was, since the new files can't be used: {error}"
        if self.ends is None:
            return "the authorities were read anew"
        return f"certificate and authorities were read anew; the certificate ends on {date_of(self.ends)}"

    def _made(self) -> tuple[ssl.SSLContext, int | None]:
        tls, root = self._tls, self._root
        context = server_context(tls, root) if isinstance(tls, ServerTls) else client_context(tls, root)
        return context, ends_of(tls, root)

    def _look_at_files(self) -> list[tuple[int, int, int] | None]:
        return [_state(path) for path in self._files]


def date_of(seconds: int) -> str:
    """The day, in UTC, of a moment since 1970."""
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
