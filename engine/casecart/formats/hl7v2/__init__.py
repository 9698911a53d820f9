"""HL7 v2: header, character set, segments, escapes, groups, the whole message and its acknowledgement."""

from __future__ import annotations

from casecart.formats.hl7v2.acknowledge import AckCode, Mode, Outcome, acknowledge, wanted, wanted_after
from casecart.formats.hl7v2.batch import Batch, answer_batch, read_batch, split_messages
from casecart.formats.hl7v2.charset import codec, decode, detect
from casecart.formats.hl7v2.continuation import (
    CONTINUED,
    Fragment,
    join_fragments,
    join_segments,
    may_continue,
    read_fragment,
)
from casecart.formats.hl7v2.delimiters import STANDARD, Delimiters, read_delimiters
from casecart.formats.hl7v2.escape import escape, unescape
from casecart.formats.hl7v2.groups import GROUPS, HEADER, Group, group, may_belong, spans
from casecart.formats.hl7v2.header import Header, MessageType, read_header
from casecart.formats.hl7v2.lines import Note, repair, repaired
from casecart.formats.hl7v2.message import Component, Field, Message, Repetition, Segment, Subcomponent, parse
from casecart.formats.hl7v2.null import NULL, Null
from casecart.formats.hl7v2.problem import NO_CONTROL_ID, Problem, Refused
from casecart.formats.hl7v2.reply import Reply, read_reply
from casecart.formats.hl7v2.writing import component_of, segment_of, write_header

__all__ = [
    "CONTINUED",
    "GROUPS",
    "HEADER",
    "NO_CONTROL_ID",
    "NULL",
    "STANDARD",
    "AckCode",
    "Batch",
    "Component",
    "Delimiters",
    "Field",
    "Fragment",
    "Group",
    "Header",
    "Message",
    "MessageType",
    "Mode",
    "Note",
    "Null",
    "Outcome",
    "Problem",
    "Refused",
    "Repetition",
    "Reply",
    "Segment",
    "Subcomponent",
    "acknowledge",
    "answer_batch",
    "codec",
    "component_of",
    "decode",
    "detect",
    "escape",
    "group",
    "join_fragments",
    "join_segments",
    "may_belong",
    "may_continue",
    "parse",
    "read_batch",
    "read_delimiters",
    "read_fragment",
    "read_header",
    "read_reply",
    "repair",
    "repaired",
    "segment_of",
    "spans",
    "split_messages",
    "unescape",
    "wanted",
    "wanted_after",
    "write_header",
]
