"""A small good workspace with kinds of its own, for tests that change it."""

from __future__ import annotations

from collections.abc import Mapping

from casecart.workspace import Declared, Duration, Kinds, Secret, Size, Text, declared, key

__all__ = [
    "CHANNEL",
    "ENGINE",
    "FILES",
    "KINDS",
    "MAPPING",
    "TABLE",
    "Files",
    "Http",
    "HttpPeer",
    "Mllp",
    "Peer",
    "Rest",
]


@declared(name="peer", about="A sender that the listener knows.")
class Peer(Declared):
    """A sender that the listener knows."""

    match: Mapping[str, Text] = key(
        about="The header fields it is known by.",
        example="{MSH-3: ORSYS, MSH-4: NORTH}",
        entry_pattern=r"MSH-[34](\.[123])?",
        entry_form="MSH-3 or MSH-4",
    )
    facility: Text = key(about="The site that it speaks for.", example="NORTH", names="facility")


@declared(name="mllp", about="Messages over MLLP.")
class Mllp(Declared):
    """Messages over MLLP."""

    interface: Text = key(about="The address to listen on.", example="10.0.0.7", default="127.0.0.1")
    port: int = key(about="The port to listen on.", example=2575, minimum=1, maximum=65535)
    maximum_frame: Size = key(about="The largest frame.", example="1MB", default="10MB", minimum="1KB", maximum="100MB")
    idle_timeout: Duration = key(about="Silence that ends a connection.", example="10m", default="1h")
    peers: Mapping[str, Peer] = key(
        about="The senders it knows.",
        example="{orsys: {match: {MSH-3: ORSYS}, facility: NORTH}}",
        at_least=1,
        defines="peer",
    )


@declared(name="http peer", about="A sender that the listener knows by its address.")
class HttpPeer(Declared):
    """A sender that the listener knows by its address."""

    facility: Text = key(about="The site that it speaks for.", example="NORTH", names="facility")
    networks: tuple[Text, ...] = key(about="Where it may post from.", example="[10.1.2.3]", default="[]", scalar=True)


@declared(name="http", about="Resources over HTTP.")
class Http(Declared):
    """Resources over HTTP."""

    port: int = key(about="The port to listen on.", example=8443, minimum=1, maximum=65535)
    peers: Mapping[str, HttpPeer] = key(
        about="The senders it knows.", example="{ehr: {facility: NORTH}}", at_least=1, defines="peer"
    )


@declared(name="file", about="Postings as files.")
class Files(Declared):
    """Postings as files."""

    folder: Text = key(about="Where they are written.", example="var/inventory")
    batch: int = key(about="Postings at a time.", example=100, default=100, minimum=1)


@declared(name="rest", about="Postings over HTTP.")
class Rest(Declared):
    """Postings over HTTP."""

    url: Text = key(about="Where they are sent.", example="https://erp.example.org/usage", pattern="https?://.+")
    token: Secret = key(about="Shown to the server.", example="{env: ERP_TOKEN}")
    timeout: Duration = key(about="How long an answer may take.", example="10s", default="30s", maximum="5m")
    compress: bool = key(about="Whether the body is compressed.", example=True, default=False)


KINDS = Kinds({"mllp": Mllp}, {"file": Files, "rest": Rest})

ENGINE = """\
organisation: MERCY
facilities:
  NORTH: {time_zone: America/Chicago}
secrets: {keys: {env: KEYS}, tokens: {env: TOKENS}}
listeners:
  or-mllp:
    kind: mllp
    port: 2575
    peers:
      orsys: {match: {MSH-3: ORSYS}, facility: NORTH}
destinations:
  inventory: {kind: file, folder: var/inventory}
"""

CHANNEL = """\
channel: usage
about: What was used becomes stock movements.
from: or-mllp
accept: DFT^P03
steps:
  - map: charges
  - route:
      - post: inventory
"""

MAPPING = """\
mapping: charges
reads: {format: hl7v2}
makes: Usage
says: transactions
each: FT1
fields:
  case: {path: "message:PV1-19.1", required: true, token: case}
  action: {path: FT1-6.1, table: transaction-type, required: true}
"""

TABLE = "code,value\nCG,use\nCD,reverse\n"

FILES = {
    "config/engine.yaml": ENGINE,
    "channels/usage.yaml": CHANNEL,
    "mappings/charges.yaml": MAPPING,
    "mappings/tables/transaction-type.csv": TABLE,
}
