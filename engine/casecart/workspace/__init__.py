"""The workspace: YAML in, typed configuration out, every error with file, line and column."""

from __future__ import annotations

from casecart.workspace.channel import (
    Channel,
    HoldStep,
    MapStep,
    OtherwiseStep,
    Owner,
    Post,
    PostStep,
    Retain,
    Route,
    RouteStep,
)
from casecart.workspace.codes import CODES, Code
from casecart.workspace.declaration import Declared, ExactlyOne, Key, declared, key, keys_of
from casecart.workspace.engine import Engine, Facility, Intake, Secrets, Store
from casecart.workspace.findings import NOWHERE, Finding, Place, WorkspaceError
from casecart.workspace.hook import Hook, HookStep
from casecart.workspace.initialise import initialise
from casecart.workspace.load import Loaded, Workspace, load, read_all
from casecart.workspace.mapping import FieldMapping, Mapping, Reads
from casecart.workspace.note import Fill, FillStep, NoteStep
from casecart.workspace.outgoing import OutgoingField, OutgoingMapping, Writes
from casecart.workspace.ownership import GROUPS, Ownership
from casecart.workspace.reading import Kinds
from casecart.workspace.resolve import Resolve, ResolveStep
from casecart.workspace.scalar import Duration, Expression, Flag, Rate, Size, SourcePath
from casecart.workspace.schema import schema, schemas
from casecart.workspace.secret import Secret
from casecart.workspace.send import Send, SendStep
from casecart.workspace.shape import Component
from casecart.workspace.table import Row, Table
from casecart.workspace.text import Text
from casecart.workspace.verify import Policy, VerifyStep

__all__ = [
    "CODES",
    "GROUPS",
    "NOWHERE",
    "Channel",
    "Code",
    "Component",
    "Declared",
    "Duration",
    "Engine",
    "ExactlyOne",
    "Expression",
    "Facility",
    "FieldMapping",
    "Fill",
    "FillStep",
    "Finding",
    "Flag",
    "HoldStep",
    "Hook",
    "HookStep",
    "Intake",
    "Key",
    "Kinds",
    "Loaded",
    "MapStep",
    "Mapping",
    "NoteStep",
    "OtherwiseStep",
    "OutgoingField",
    "OutgoingMapping",
    "Owner",
    "Ownership",
    "Place",
    "Policy",
    "Post",
    "PostStep",
    "Rate",
    "Reads",
    "Resolve",
    "ResolveStep",
    "Retain",
    "Route",
    "RouteStep",
    "Row",
    "Secret",
    "Secrets",
    "Send",
    "SendStep",
    "Size",
    "SourcePath",
    "Store",
    "Table",
    "Text",
    "VerifyStep",
    "Workspace",
    "WorkspaceError",
    "Writes",
    "declared",
    "initialise",
    "key",
    "keys_of",
    "load",
    "read_all",
    "schema",
    "schemas",
]
