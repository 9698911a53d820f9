"""Every official example of a notification, posted over HTTP into an engine: what is stored, and what is made of it.

HL7's examples tell of encounters. A channel of this test makes one document of each, so that what comes of a bundle is
seen; the examples that bring no resource make none, whatever they name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from casecart.formats.fhir import read_resource
from casecart.formats.fhir.notification import notification_of
from casecart.runtime.made import decode_made
from casecart.store import MessageFilter
from integration.test_http_engine import answers, running, worked
from support.http_door import post
from support.reactor import in_reactor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from casecart.listeners.http import HttpListener
    from casecart.store import Store

CHANNEL = """\
channel: encounters
about: Of the tests.
from: [ehr-http]
accept: [Encounter]
steps: [{map: encounters}, {route: [{hold: Of the tests}]}]
"""
MAPPING = """\
mapping: encounters
reads: {format: fhir, version: R4}
makes: Usage
says: state
each: Encounter
fields:
  case: {path: "%resource.subject.reference.split('/').last()", required: true, token: case}
  line: {path: "%resource.id", required: true}
  action: {value: use}
  quantity: {value: "1", type: decimal}
  disposition: {path: "%resource.status", required: true}
"""

ADMISSION = "86009987-eabe-42bf-8c02-b112b18cb616"
Made = list[tuple[str, str]] | None
"""(line, disposition) of each document; None: it is a sign of life, and no message."""

BACKPORT: dict[str, Made] = {
    "handshake": None,
    "heartbeat": None,
    "error": None,
    "empty": [],
    "empty-with-auth": [],
    "id-only": [],
    "id-only-with-auth": [],
    "id-only-with-query": [],
    "full-resource": [(ADMISSION, "in-progress")],
    "full-resource-with-query": [(ADMISSION, "in-progress")],
    "multi-resource": [(ADMISSION, "in-progress")],
}
R5: dict[str, Made] = {
    "00b99077-2bda-436e-98cc-a4f65d6c2fe0": [("2", "in-progress")],
    "3945182f-d315-4dbf-9259-09d863c7e7da": [],
    "3d20ea4b-90dc-4d0d-b15a-c7a893389401": None,
    "40464b74-fad0-4f45-ab60-e67f949c5e92": None,
    "54f808cf-d159-4c9b-accb-c33eb20f0ecc": None,
    "787e69f6-81a8-44e4-b404-257013dec332": [("307", "in-progress"), ("308", "in-progress")],
    "920a46b7-045a-4773-82bd-8e90c3e15653": [],
    "9601c07a-e34f-4945-93ca-6efb5394c995": [],
    "e2c9dc20-615e-4603-9005-74deb209cbb0": [],
}
EXAMPLES: dict[str, Made] = {
    **{
        f"HL7__fhir-subscription-backport-ig/Bundle-{version}-notification-{name}.json": made
        for version in ("r4", "r4b")
        for name, made in BACKPORT.items()
    },
    "HL7__fhir-subscription-backport-ig/Parameters-r4-notification-status.json": [],
    "HL7__fhir-subscription-backport-ig/SubscriptionStatus-r4b-notification-status.json": [],
    **{f"hl7.fhir.r5.examples-5.0.0/Bundle-{name}.json": made for name, made in R5.items()},
    "hl7.fhir.r5.examples-5.0.0/SubscriptionStatus-example.json": [],
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, HttpListener]]:
    """It runs with the channel."""
    root = tmp_path_factory.mktemp("notifications")
    for name, text in (("channels/encounters.yaml", CHANNEL), ("mappings/encounters.yaml", MAPPING)):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, "utf-8")
    with running(root, f"sqlite:///{root}/casecart.db") as started:
        yield started


def positions(store: Store) -> set[int]:
    """Of all messages."""
    return {row.position for row in in_reactor(lambda: store.messages(MessageFilter(), None, 1000))}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_official_notification_makes_the_documents_of_what_it_brings(
    engine: tuple[Store, HttpListener], corpus: Path, name: str
) -> None:
    store, listener = engine
    before = positions(store)
    (answer,) = answers(listener, post((corpus / "fhir" / name).read_bytes()))
    worked(store)
    assert answer.status == 200
    new = positions(store) - before
    made = None
    if new:
        (position,) = new
        runs = in_reactor(lambda: store.runs(position))
        documents = [each for run in runs for _, _, each in decode_made(run.documents).documents]
        made = [(document.line, document.disposition) for document in documents]
    assert made == EXAMPLES[name]


def test_the_table_has_every_notification_of_the_corpus(corpus: Path) -> None:
    folder = corpus / "fhir"
    found = {path for path in folder.glob("*/*.json") if notification_of(read_resource(path.read_bytes())) is not None}
    assert {str(path.relative_to(folder)) for path in found} == set(EXAMPLES)
