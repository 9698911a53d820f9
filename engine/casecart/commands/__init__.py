"""What people may do, as typed commands and queries; no other room that people touch touches the store."""

from __future__ import annotations

from casecart.commands.actor import Actor, Permission, local_actor
from casecart.commands.balance import Balance, Balances, LineTerms, ShowBalances
from casecart.commands.content import Body, SegmentField, SegmentShape, Structure, masked
from casecart.commands.desk import Command, Desk, Done, Query, View, open_desk
from casecart.commands.message import AmbiguousReference, MessageView, RelatedView, ShowMessage
from casecart.commands.message_list import OUTCOMES, ListMessages, MessageLine, MessagePage
from casecart.commands.message_replay import ReplayMessage
from casecart.commands.message_view import (
    DocumentView,
    Envelope,
    ExceptionView,
    LedgerView,
    PlaceView,
    PostingView,
    RunView,
    StateView,
)
from casecart.commands.refusal import Refusal, RefusalCode
from casecart.commands.site import NotAWorkspace, Site, opened, read_site
from casecart.commands.status import DestinationStatus, ListenerStatus, NextTry, PausedBy, ShowStatus, Status
from casecart.commands.switch import PauseDestination, ResumeDestination
from casecart.commands.workspace import Checked, bring_up_store, check, load_workspace, make_workspace

__all__ = [
    "OUTCOMES",
    "Actor",
    "AmbiguousReference",
    "Balance",
    "Balances",
    "Body",
    "Checked",
    "Command",
    "Desk",
    "DestinationStatus",
    "DocumentView",
    "Done",
    "Envelope",
    "ExceptionView",
    "LedgerView",
    "LineTerms",
    "ListMessages",
    "ListenerStatus",
    "MessageLine",
    "MessagePage",
    "MessageView",
    "NextTry",
    "NotAWorkspace",
    "PauseDestination",
    "PausedBy",
    "Permission",
    "PlaceView",
    "PostingView",
    "Query",
    "Refusal",
    "RefusalCode",
    "RelatedView",
    "ReplayMessage",
    "ResumeDestination",
    "RunView",
    "SegmentField",
    "SegmentShape",
    "ShowBalances",
    "ShowMessage",
    "ShowStatus",
    "Site",
    "StateView",
    "Status",
    "Structure",
    "View",
    "bring_up_store",
    "check",
    "load_workspace",
    "local_actor",
    "make_workspace",
    "masked",
    "open_desk",
    "opened",
    "read_site",
]
