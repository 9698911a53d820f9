"""What a posting says as a message: the segments by the destination's mapping, and MSH before them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, cast

from casecart.formats.hl7v2 import codec, component_of, write_header
from casecart.runtime.destination import NotWritten

if TYPE_CHECKING:
    from casecart.destinations.mllp_settings import MllpSettings
    from casecart.runtime.destination import DestinationContext, Posting

__all__ = ["MllpWriting"]

_WANTED: Final = {"application": ("", ""), "accept": ("AL", "NE"), "both": ("AL", "AL")}


class MllpWriting:
    """Writes messages for one destination."""

    def __init__(self, context: DestinationContext) -> None:
        settings = cast("MllpSettings", context.settings)
        self._writer, self._charset = context.writer, settings.charset
        self._delimiters = settings.separators
        self._codec = codec(settings.charset) or "ascii"
        routing = {"MSH-3": "CASECART", "MSH-11": "P", **settings.header}
        self._header = {
            int(name.removeprefix("MSH-")): component_of(text, self._delimiters) for name, text in routing.items()
        }
        self._header[15], self._header[16] = _WANTED[settings.acknowledgement]
        self._header[18] = "" if self._codec == "ascii" else component_of(settings.charset, self._delimiters)

    async def message(self, posting: Posting, control_id: str) -> bytes:
        """The message of a posting. Raises `NotWritten`."""
        if self._writer is None:
            raise NotWritten("no-mapping", "Nothing says how a message is written for this destination.")
        written = await self._writer.write(posting, self._delimiters)
        fields = dict(self._header)
        # Of the planning, and not of the sending: what is sent again has the same bytes.
        fields[7] = datetime.fromtimestamp(posting.history[0][0] // 1_000_000, UTC).strftime("%Y%m%d%H%M%S+0000")
        fields[9] = self._delimiters.component.join(written.message_type)
        fields[10], fields[12] = control_id, written.version
        text = "\r".join([write_header(fields, self._delimiters), *written.segments, ""])
        try:
            return text.encode(self._codec)
        except UnicodeEncodeError:
            words = f"The message has a character that {self._charset} doesn't have: set another `charset`."
            raise NotWritten("not-in-charset", words) from None
