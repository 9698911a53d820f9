"""Master data as a real Tryton has them, brought in from the command line; and what it answers when it is asked."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from support.forked import run
from support.user import User

if TYPE_CHECKING:
    from pathlib import Path

    from support.tryton.server import Tryton

pytestmark = pytest.mark.timeout(180)

SCREW, GTIN = "SCREW-65-30", "09521101530018"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new workspace, without the samples' master data."""
    folder = tmp_path_factory.mktemp("empty")
    run("init", "ws", cwd=folder, check=True)
    return folder / "ws"


class Buyer(User):
    """A user whose destination `inventory` is a Tryton."""

    def __init__(self, new: Path, ws: Path, tryton: Tryton) -> None:
        super().__init__(new, ws)
        (ws / "var" / "secrets" / "tryton").write_text(tryton.key)
        self.engine = ws / "config" / "engine.yaml"
        wanted = f'kind: tryton, url: "{tryton.url}", key: {{file: var/secrets/tryton}}, units: {{EA: u, cc: cm³}}'
        text = self.engine.read_text("utf-8")
        self.engine.write_text(text.replace("kind: file, folder: var/inventory", wanted), "utf-8")

    def json(self, *typed: str) -> Any:  # noqa: ANN401 - a document of whatever shape
        """In a process of its own: what asks a destination has a reactor, and that runs once."""
        return json.loads(self.run(*typed, "--json").stdout)

    def on_hand(self, *typed: str) -> str:
        """How many, by what Tryton says."""
        return str(self.json("ask", "inventory", "on-hand", *typed)["total"])


@pytest.fixture
def buyer(empty: Path, tmp_path: Path, tryton: Tryton) -> Buyer:
    """Of a Tryton in which others add lots meanwhile, and change nothing else."""
    return Buyer(empty, tmp_path / "ws", tryton)


@pytest.fixture
def alone(empty: Path, tmp_path: Path, own_tryton: Tryton) -> Buyer:
    """Of a Tryton in which the test may change anything."""
    return Buyer(empty, tmp_path / "ws", own_tryton)


# --- pull
def test_what_is_pulled_is_there_and_is_pulled_once(alone: Buyer) -> None:
    dry = alone.run("master", "pull", "inventory", "--dry-run").stdout
    assert "Nothing was written: this was a dry run." in dry
    assert alone.run("master", "show", "item", SCREW).returncode == 1
    done = alone.run("master", "pull", "inventory", "--stock", "on-hand.csv")
    assert "13 documents written." in done.stdout
    assert "On hand: 5 items, 9 lots and serial numbers, at 1 location." in done.stdout
    (document,) = alone.json("master", "show", "item", SCREW)
    assert [each["value"] for each in document["fields"]["identifiers"]] == [GTIN]
    with (alone.ws / "on-hand.csv").open(encoding="utf-8", newline="") as file:
        stock = {row["lot"]: row["quantity"] for row in csv.DictReader(file) if row["item"] == SCREW}
    assert stock == {"SC-88412": "100", "SC-88420": "100", "SC-EXPIRED": "20"}
    assert "Nothing is different." in alone.run("master", "pull", "inventory").stdout


# --- ask
def test_an_item_is_found_by_its_gtin_and_by_its_number(buyer: Buyer) -> None:
    shown = buyer.run("ask", "inventory", "item", GTIN).stdout
    assert shown.splitlines()[:2] == [f"item {SCREW}", "  description  Cancellous screw, 6.5 x 30 mm"]
    (found,) = buyer.json("ask", "inventory", "item", SCREW)["items"]
    assert found == {
        "item": SCREW, "description": "Cancellous screw, 6.5 x 30 mm", "status": "active", "unit": "EA",
        "lot": True, "serial": False, "identifiers": [["ean", GTIN]],
    }  # fmt: skip


def test_what_is_on_hand_is_told_as_it_is_now(buyer: Buyer, tryton: Tryton) -> None:
    before = Decimal(buyer.on_hand(SCREW))
    tryton.new_lot(SCREW, "ASKED-FOR", "7")
    assert Decimal(buyer.on_hand(SCREW)) - before == 7
    assert buyer.on_hand(SCREW, "--location", "OR-CORE", "--lot", "ASKED-FOR") == "7"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("item", "NO-SUCH"), "has no item with the number or identifier 'NO-SUCH'"),
        (("on-hand", "NO-SUCH"), "Tryton has no product with the code NO-SUCH"),
        (("on-hand", SCREW, "--lot", "SN-4711"), "Tryton has no lot with the number SN-4711"),  # of another item
    ],
)
def test_what_it_does_not_have_is_told(buyer: Buyer, typed: tuple[str, ...], words: str) -> None:
    done = buyer.run("ask", "inventory", *typed)
    assert (done.returncode, done.stdout, words in done.stderr) == (1, "", True)


# --- who can't be asked
ASK, PULL = ("ask", "inventory", "item", SCREW), ("master", "pull", "inventory")


def told(user: User) -> tuple[int, str]:
    """What both commands say: the same."""
    ((code, words),) = {(done.returncode, done.stderr) for done in (user.run(*ASK), user.run(*PULL))}
    return code, words


def test_an_erp_that_is_away_is_told(alone: Buyer, own_tryton: Tryton) -> None:
    own_tryton.stop()
    code, words = told(alone)
    assert (code, "'inventory' was not read: Nothing listens at the service's address" in words) == (5, True)


def test_a_key_that_was_revoked_is_told(alone: Buyer, own_tryton: Tryton) -> None:
    own_tryton.revoke_key()
    code, words = told(alone)
    assert (code, "Tryton does not accept the application key" in words) == (3, True)


def test_a_time_that_is_up_is_told(buyer: Buyer) -> None:
    done = buyer.run(*PULL, "--timeout", "0.1")
    assert (done.returncode, "(timeout)" in done.stderr) == (5, True)


def test_a_destination_that_only_takes_can_not_be_asked(empty: Path, tmp_path: Path) -> None:
    code, words = told(User(empty, tmp_path / "ws"))
    assert (code, "it is of kind file, and those that can be are of tryton" in words) == (1, True)


def test_a_destination_that_is_not_there_is_told(empty: Path, tmp_path: Path) -> None:
    done = User(empty, tmp_path / "ws").run("ask", "inventori", "item", SCREW)
    assert (done.returncode, "Did you mean 'inventory'?" in done.stderr) == (1, True)


def test_a_mistake_in_a_mapping_keeps_nobody_from_asking(buyer: Buyer) -> None:
    (next((buyer.ws / "mappings").glob("*.yaml"))).write_text("mapping: [", "utf-8")
    assert buyer.run(*ASK).returncode == 0
