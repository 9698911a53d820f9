"""The server that shows what the load generator can do: it looks at nothing and only counts bytes.

All messages of a run have the same length, so the count says how many came; the kernel throws the bytes away
(`MSG_TRUNC`) and as many prepared acknowledgements go back.

    python tests/bench/null_ack.py SIZE        prints its port; SIZE is the length of a frame
"""

from __future__ import annotations

import select
import socket
import sys

__all__ = ["serve"]

ACK = b"\x0bMSH|^~\\&|CASECART|NORTH|ORSYS|NORTH|20261103104500||ACK^P03^ACK|A1|P|2.8.2\rMSA|AA|B000000000000\r\x1c\r"
MOST = 1 << 20  # bytes a read


def serve(size: int) -> None:
    """Serve until killed.

    Args:
        size: length of every frame that comes.
    """
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(listening.getsockname()[1], flush=True)
    epoll = select.epoll()
    epoll.register(listening, select.EPOLLIN)
    connections: dict[int, socket.socket] = {}
    begun: dict[int, int] = {}  # bytes of the frame that has not wholly come
    buffer = bytearray(MOST)
    while True:
        for descriptor, _ in epoll.poll(-1, 256):
            if descriptor == listening.fileno():
                connection, _ = listening.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                begun[connection.fileno()] = 0
                epoll.register(connection, select.EPOLLIN)
                continue
            connection = connections[descriptor]
            try:
                came = connection.recv_into(buffer, MOST, socket.MSG_TRUNC)
            except ConnectionError:
                came = 0
            if not came:
                epoll.unregister(descriptor)
                connections.pop(descriptor).close()
                continue
            frames, begun[descriptor] = divmod(begun[descriptor] + came, size)
            if frames:
                connection.send(ACK * frames)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
