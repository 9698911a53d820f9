"""What a Python programmer would write with python-hl7: its asyncio MLLP server, which parses and acknowledges.

It stores nothing.

    python tests/bench/python_hl7_ack.py        prints its port
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hl7.mllp import start_hl7_server

if TYPE_CHECKING:
    from hl7.mllp import HL7StreamReader, HL7StreamWriter

__all__ = ["answer"]


async def answer(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
    """One connection: every message is parsed and acknowledged by python-hl7."""
    while True:
        try:
            message = await reader.readmessage()
        except asyncio.IncompleteReadError:
            break
        writer.writemessage(message.create_ack())
        await writer.drain()
    writer.close()


async def main() -> None:
    """Serve until killed."""
    server = await start_hl7_server(answer, host="127.0.0.1", port=0, limit=1 << 20, encoding="utf-8", backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
