"""Files with HL7 v2 messages that come to a folder: one message each, several, or a batch (HL7 v2.8.2 §2.10.3).

Delivery: a file is moved to `done` or `failed` after each of its messages is stored, and not before. A crash between
the two has it read again, and what is stored already is known by its identity and bytes. A file of which something
can't be taken goes to `failed`, with the reason beside it; what can be taken of it is taken, but for a file whose own
form is wrong (a batch that is cut, or counts otherwise): of that nothing is. While nothing can be stored, nothing is
read.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from casecart.listeners.accept import Accept
from casecart.listeners.acknowledge import Acknowledge
from casecart.listeners.folder import Folder, FolderTrouble
from casecart.listeners.found import shown
from casecart.listeners.hl7v2 import Reception
from casecart.listeners.partition import Partition, partition_key
from casecart.listeners.peer import Peer, Peers, peers_key, unreachable
from casecart.listeners.question import Question
from casecart.listeners.received import received
from casecart.runtime.fault import told
from casecart.runtime.listener import ListenerSpec, Receipt
from casecart.runtime.probe import folder_takes
from casecart.workspace import Declared, Duration, Finding, Size, Text, declared, key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from casecart.listeners.found import Found
    from casecart.runtime.listener import Arrival, Listener, ListenerContext, Received
    from casecart.runtime.probe import ProbeContext

__all__ = ["SPEC", "FileListener", "FileSettings"]


@declared(name="file listener", about="Takes HL7 v2 messages from the files of a folder.")
class FileSettings(Declared):
    """What is written under `kind: file` of a listener."""

    folder: Text = key(
        about=(
            "Where the files come to, from the workspace on. What was taken is moved to `done` in it, what could not "
            "be to `failed`."
        ),
        example="var/inbox",
    )
    peers: Mapping[str, Peer] = peers_key()
    partition_by: tuple[Text, ...] = partition_key()
    settle: Duration = key(
        about=(
            "A file that was not changed for so long is complete. `0s` where files get their names when they are "
            "complete; until then they are called `NAME.tmp` or `NAME.part`, or begin with a dot."
        ),
        example="1m",
        default="5s",
        minimum="0s",
        maximum="1d",
    )
    maximum_file: Size = key(
        about="The largest file. A larger one is not read, and goes to `failed`.",
        example="200MB",
        default="50MB",
        minimum="1KB",
        maximum="1GB",
    )

    def check(self) -> Iterable[Finding]:
        """Every peer can come up, and none is to be answered or known by a connection."""
        yield from unreachable(self.peers)
        for peer in self.peers.values():
            for name in (name for name in _OF_CONNECTIONS if getattr(peer, name)):
                words = f"files are not answered, and come on no connection: leave '{name}' out"
                yield Finding(peer.at(name), "error", "bad-value", words)


def _make(context: ListenerContext) -> Listener:
    return FileListener(context)


def _receive(context: ListenerContext, body: bytes, _peer: str) -> Received:
    return received(_reception(context), body)


async def _probe(context: ProbeContext) -> None:
    settings = cast("FileSettings", context.settings)
    folder_takes(context.root / settings.folder, settings.at("folder"))


SPEC: Final = ListenerSpec(
    kind="file",
    about="Takes HL7 v2 messages from the files of a folder.",
    settings=FileSettings,
    make=_make,
    receive=_receive,
    probe=_probe,
)

_OF_CONNECTIONS: Final = ("acknowledge", "certificate", "networks", "connections")  # what a peer here can't have
_EVERY: Final = 1.0  # seconds between looks at a folder with nothing to take
_MOST_WAITING: Final = 256  # messages that wait for their commit
_MOST_WAITING_BYTES: Final = 4_000_000
_LONG: Final = 600.0  # seconds after which somebody should know that a file is still written
_LISTED: Final = 100  # messages of a file that its reason names


def _reception(context: ListenerContext) -> Reception:
    settings = cast("FileSettings", context.settings)
    maker = f"{context.name} {os.getpid()} {context.now()}"
    peers = Peers(settings.peers, Acknowledge(), context.time_zones)
    return Reception(context, peers, Partition(settings.partition_by), Accept(), maker, maximum=settings.maximum_file)


class _Filed(Question):
    """A message of a file that waits for its commit."""

    __slots__ = ("arrival", "number", "size", "taken", "turn")

    arrival: Arrival

    def __init__(self, turn: _Turn, taken: _Taken, number: int, size: int) -> None:
        self.turn, self.taken, self.number, self.size = turn, taken, number, size

    def __call__(self, receipt: Receipt) -> None:
        self.turn.settled(self, receipt)


class _Taken:
    """A file, and what became of its messages so far."""

    def __init__(self, found: Found) -> None:
        self.found = found
        self.left = max(1, len(found.content.messages))
        self.refused: list[tuple[int, str, str]] = []
        """Number, code and words of each message that could not be taken."""

    @property
    def codes(self) -> set[str]:
        """What was wrong with it."""
        return {self.found.content.code} if self.found.content.code else {code for _, code, _ in self.refused}

    @property
    def reason(self) -> str:
        """Why it can't be done; empty when it is."""
        content = self.found.content
        if content.code:
            return f"{content.code}: {content.words}\nNothing of this file was taken."
        if not self.refused:
            return ""
        listed = sorted(self.refused)[:_LISTED]
        lines = [f"message {number}: {code}: {words}" for number, code, words in listed]
        if len(self.refused) > _LISTED:
            lines.append(f"and {len(self.refused) - _LISTED} more")
        took = len(content.messages) - len(self.refused)
        return "\n".join([*lines, f"{took} of {len(content.messages)} messages were taken."])


class _Turn:
    """Some files on their way into the store, in their order and a bounded number of messages at a time."""

    def __init__(self, listener: FileListener, found: Iterable[Found]) -> None:
        self._listener = listener
        self.files = [_Taken(one) for one in found]
        self._rest: deque[tuple[_Taken, int]] = deque(
            (taken, number) for taken in self.files for number in range(max(1, len(taken.found.content.messages)))
        )
        self._waiting = self._waiting_bytes = 0
        self._feeding = False
        self.stopped = False
        """Whether something could not be stored: what is left stays where it is."""
        self.over: Deferred[None] = Deferred()

    def feed(self) -> None:
        """Hand over as much as may wait at once."""
        if self._feeding:
            return
        self._feeding = True
        try:
            while (
                self._rest
                and not self.stopped
                and self._waiting < _MOST_WAITING
                and self._waiting_bytes < _MOST_WAITING_BYTES
            ):
                self._take(*self._rest.popleft())
        except Exception as fault:  # noqa: BLE001 - whatever it is, the folder is looked at again
            self._listener.failed(fault)
            self.stopped = True
        self._feeding = False
        if not self._waiting and (self.stopped or not self._rest) and not self.over.called:
            self.over.callback(None)

    def _take(self, taken: _Taken, number: int) -> None:
        listener, content = self._listener, taken.found.content
        if not listener.intake.open:
            self.stopped = True
            return
        source = f"file:{shown(taken.found.name)}"
        if not content.messages:
            if not content.code:  # a batch without a message: nothing to store
                taken.left = 0
                return
            start = taken.found.start
            question = _Filed(self, taken, 0, len(start))
            arrival = listener.reception.refused(start, source, "file", content.code, question)
        else:
            body = content.messages[number]
            question = _Filed(self, taken, number + 1, len(body))
            # Batches are taken apart already, so that it is one message.
            arrival = cast("Arrival", listener.reception.arrival(body, f"{source}[{number + 1}]", question))
        question.arrival = arrival
        self._waiting += 1
        self._waiting_bytes += question.size
        listener.intake.take(arrival)

    def settled(self, filed: _Filed, receipt: Receipt) -> None:
        """A message is stored, or can't be."""
        self._waiting -= 1
        self._waiting_bytes -= filed.size
        if receipt == Receipt.NOT_STORED:
            self.stopped = True
        else:
            filed.taken.left -= 1
            # Only now: the engine may refuse what was fine for the listener (a part of a message too many).
            if filed.number and filed.problem is not None:
                code = (filed.arrival.notes or "refused").split()[0]
                filed.taken.refused.append((filed.number, code, filed.problem.words))
        self.feed()


class FileListener:
    """One folder, looked at each second; its files are read and moved in a thread.

    In a thread, because nobody can say how long a network share takes, and the reactor acknowledges messages meanwhile.
    """

    log = Logger()
    port = 0

    def __init__(self, context: ListenerContext) -> None:
        settings = cast("FileSettings", context.settings)
        self.name = context.name
        self.intake = context.intake
        self.reception = _reception(context)
        folder = context.root / settings.folder
        self.where = f"on {folder.absolute()} ({SPEC.kind})"
        self._folder = Folder(folder, settings.settle, settings.maximum_file)
        self._reactor: Any = context.reactor  # Twisted's interfaces say nothing that mypy could use
        self._stored: list[tuple[Found, str]] = []  # and still to be moved
        self._trouble = ""
        self._told_of_long = False
        self._stopping = False
        self._later: Any = None
        self._work: Deferred[None] = succeed(None)

    def start(self) -> Deferred[None]:
        """Begin to look. A folder that can't be used is told of and tried again: a share may come back."""
        self._later = self._reactor.callLater(0, self._begin, first=True)
        return succeed(None)

    def stop(self) -> Deferred[None]:
        """Take nothing new; fires when what was taken is stored and moved."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self._stopping = True
        if self._later is not None and self._later.active():
            self._later.cancel()
        await self._work
        await self._in_thread(self._folder.close)

    def _begin(self, *, first: bool = False) -> None:
        self._work = Deferred.fromCoroutine(self._look(first=first))

    async def _look(self, *, first: bool) -> None:
        more = False
        try:
            if first:
                await self._in_thread(self._folder.make)
            more = await self._take()
        except FolderTrouble as trouble:
            self._tell(trouble)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the folder is looked at again
            self.failed(fault)
        if not self._stopping:
            self._later = self._reactor.callLater(0 if more else _EVERY, self._begin)

    async def _take(self) -> bool:
        """One turn; whether there may be more at once."""
        if not self.intake.open:
            return False
        if self._stored:
            await self._put_away()
        found = await self._in_thread(self._folder.look, self._reactor.seconds())
        self._tell_of_folder()
        if not found or self._stopping:
            return False
        turn = _Turn(self, found)
        turn.feed()
        await turn.over
        self._stored = [(taken.found, taken.reason) for taken in turn.files if not taken.left]
        codes = sorted({code for taken in turn.files if not taken.left for code in taken.codes})
        await self._put_away()
        if codes:
            self.log.warn(  # noqa: G010 - the logger is Twisted's
                "{name}: of some files not all was taken ({codes}); they are in `failed`, with the reason beside each",
                name=self.name,
                codes=", ".join(codes),
            )
        return not turn.stopped

    async def _put_away(self) -> None:
        await self._in_thread(self._folder.put_away, self._stored)
        self._stored = []

    def _in_thread(self, function: Callable[..., Any], *arguments: object) -> Deferred[Any]:
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), function, *arguments)

    def failed(self, fault: Exception) -> None:
        """Say that there is a fault of ours, without its text, which may quote a message."""
        self.log.error("{name} failed: {fault}", name=self.name, fault=told(fault))

    def _tell(self, trouble: FolderTrouble) -> None:
        """Once, until it is another one."""
        if trouble.code != self._trouble:
            self._trouble = trouble.code
            words = "{name} takes no files ({code}): {words} It is tried again."
            self.log.warn(words, name=self.name, code=trouble.code, words=str(trouble))  # noqa: G010 - the same

    def _tell_of_folder(self) -> None:
        if self._trouble:
            self._trouble = ""
            self.log.warn("{name} takes files again", name=self.name)  # noqa: G010 - the same
        long = self._folder.held_up > _LONG
        if long and not self._told_of_long:
            self.log.warn(  # noqa: G010 - the same
                "{name}: a file has been written to for {minutes} minutes, and those behind it by name wait",
                name=self.name,
                minutes=int(self._folder.held_up / 60),
            )
        self._told_of_long = long
