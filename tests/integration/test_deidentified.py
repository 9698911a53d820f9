"""What channels make of messages that were de-identified is what they made of them before."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from casecart.commands.site import read_site
from casecart.commands.trying import Try
from casecart.commands.workspace import make_workspace
from casecart.formats.deidentify import NotRead, deidentify
from casecart.formats.fhir import read_resource
from casecart.formats.hl7v2 import parse
from casecart.formats.hl7v2.file import messages_of
from casecart.store import open_store
from casecart.workspace import reference
from support.master import publish
from support.shipped import master_documents

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from casecart.commands.try_view import Tried

NOW = 1_793_700_000_000_000  # a day in November 2026, µs since 1970
KEY = b"a key of sixteen bytes or more"
TODAY = date(2026, 11, 4)

# By the beginning of a sample's name.
CHANNELS = {
    "adt": "patient-visits",
    "cabinet": "cabinet-usage",
    "charge-item": "fhir-supplies",
    "device-of-patient": "fhir-procedures",
    "device-us": "fhir-procedures",
    "dft": "or-usage",
    "inventory": "fhir-supplies",
    "mfn-charge": "charge-master",
    "mfn-items": "item-master",
    "oru": "device-observations",
    "procedure": "fhir-procedures",
    "siu": "or-schedule",
    "supply-delivery": "fhir-supplies",
    "supply-usage": "supply-usage",
}
# For mappings that no shipped channel has, or for no channel on purpose.
TAKEN_BY_NONE = {
    "adt-update",
    "charge-item-granules",
    "device-of-patient",
    "device-usage-cup",
    "device-use-statement-cup",
    "inventory-report-screws",
}
SAMPLES = sorted(
    [*(reference.root() / "samples" / "hl7v2").iterdir(), *(reference.root() / "samples" / "fhir").iterdir()]
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `casecart init` makes, with the samples' master data."""
    root = tmp_path_factory.mktemp("new") / "ws"
    make_workspace(root)
    with closing(open_store(read_site(root).store_url, role="person")) as store:
        publish(store, *master_documents())
    return root


def outcome(tried: Tried) -> list[Any]:
    """What became of messages, without what says whose they are."""
    return [
        (
            message.accepted,
            message.code,
            len(message.cases),
            len(message.changes),
            [hold.code for hold in message.held],
            [
                (
                    line.became,
                    line.item,
                    [(hold.code, hold.field) for hold in line.held],
                    [(finding.code, finding.then) for finding in line.findings],
                    [(posting.kind, posting.payload.get("quantity")) for posting in line.postings],
                )
                for line in message.lines
            ],
        )
        for message in tried.messages
    ]


def of(root: Path, channel: str, bodies: Sequence[bytes]) -> list[Any]:
    return outcome(Try(root=root, channel=channel, source="a test", bodies=bodies, now=lambda: NOW).run())


@pytest.mark.parametrize("channel", sorted(set(CHANNELS.values())))
def test_of_the_shipped_samples_a_channel_makes_the_same_as_before(workspace: Path, channel: str) -> None:
    samples = [each for each in SAMPLES if channel_of(each) == channel]
    bodies = [each.read_bytes() for each in samples]
    before = of(workspace, channel, bodies)
    assert {each.stem for each, made in zip(samples, before, strict=True) if not made[0]} <= TAKEN_BY_NONE
    assert of(workspace, channel, deidentify(bodies, key=KEY, today=TODAY).bodies) == before
    alone = [deidentify([body], key=KEY, today=TODAY).bodies[0] for body in bodies]
    assert of(workspace, channel, alone) == before


def channel_of(sample: Path) -> str:
    return next(name for start, name in CHANNELS.items() if sample.name.startswith(start))


def _messages(path: Path) -> list[bytes]:
    data = path.read_bytes()
    return [data] if path.suffix == ".json" else messages_of(data)


def _deidentified(paths: Sequence[Path]) -> set[str]:
    """Those that can't be read; all others can be read again when they are de-identified."""
    refused = set()
    for path in paths:
        bodies = _messages(path)
        try:
            made = deidentify(bodies, key=KEY, today=TODAY).bodies
        except NotRead:
            refused.add(f"{path.parent.name}/{path.name}")
            continue
        for body, new in zip(bodies, made, strict=True):
            if path.suffix == ".json":
                assert read_resource(new).keys() == read_resource(body).keys(), path
            else:
                before, after = parse(body.decode("latin-1")), parse(new.decode("latin-1"))
                assert [(each.name, len(each.fields)) for each in after.segments] == [
                    (each.name, len(each.fields)) for each in before.segments
                ], path
    return refused


def test_messages_that_others_wrote_are_deidentified(corpus: Path) -> None:
    paths = sorted([*corpus.glob("hl7v2/*/*.hl7"), *corpus.glob("fhir/*/*.json")])
    assert len(_deidentified(paths[::12])) <= 4


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_messages_that_others_wrote_are_deidentified(corpus: Path) -> None:
    refused = _deidentified(sorted([*corpus.glob("hl7v2/*/*.hl7"), *corpus.glob("fhir/*/*.json")]))
    assert len(refused) == 16, refused
