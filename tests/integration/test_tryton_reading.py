"""Master data of a real Tryton brought in: what becomes of what was changed, of what is no more, and of what is odd."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from casecart.commands.actor import Actor
from casecart.commands.asking import destination_to_ask
from casecart.commands.master_data import load_documents
from casecart.commands.master_import import ImportMaster, import_master
from casecart.commands.master_pull import PullAnswer, PullMaster, pull_master
from casecart.commands.refusal import Refusal
from casecart.commands.site import opened, read_site
from casecart.destinations.tryton import reading
from casecart.master.table_file import DocumentKey
from casecart.runtime.destination import NothingThere, NotRead
from casecart.workspace import WorkspaceError
from support.checkout import ROOT
from support.new_workspace import new_workspace
from support.reactor import in_reactor, reactor
from support.tryton.pretended import Pretended, Reply

if TYPE_CHECKING:
    from pathlib import Path

    from support.tryton.server import Tryton

pytestmark = pytest.mark.timeout(120)

KIM = Actor("kim", frozenset({"see", "operate"}))
SCREW, CUP, GRAFT = "SCREW-65-30", "HIP-CUP-54", "GRAFT-GRAN"
SAMPLES = sorted((ROOT / "samples" / "master").glob("*.csv"))


class Buyer:
    """A new workspace, whose destination `erp` is a Tryton."""

    def __init__(self, ws: Path, tryton: Tryton) -> None:
        self.ws, self.tryton = ws, tryton
        new_workspace(ws)
        (ws / "var" / "secrets" / "tryton").write_text(tryton.key)
        engine = ws / "config" / "engine.yaml"
        wanted = (
            f'erp: {{kind: tryton, url: "{tryton.url}", key: {{file: var/secrets/tryton}}, units: {{EA: u, cc: cm³}}'
        )
        engine.write_text(engine.read_text("utf-8").replace("inventory: {kind: file, folder: var/inventory", wanted))

    def ask(self, question: str, *arguments: object) -> Any:  # noqa: ANN401 - whatever is asked for
        """What the destination answers."""
        reader = destination_to_ask(self.ws, "erp", KIM).reader(reactor)
        try:
            return in_reactor(getattr(reader, question), *arguments)
        finally:
            in_reactor(reader.stop)

    def pull(self, *, allow_removals: bool = False) -> PullAnswer:
        """Brings in what it has now."""
        wish = PullMaster(destination="erp", source="erp", allow_removals=allow_removals)
        return pull_master(self.ws, wish, self.ask("master"), KIM)

    def bring_in(self, *, source: str, part: bool = False, **tables: str) -> None:
        """As `casecart master import` does."""
        files = []
        for name, text in tables.items():
            files.append(self.ws / f"{name}.csv")
            files[-1].write_text(text, "utf-8")
        answer = import_master(self.ws, ImportMaster(files=files, source=source, part=part), KIM)
        assert not answer.conflicts

    def has(self, kind: str, key: str) -> Any:  # noqa: ANN401 - a document of any kind
        """A document here; None: there is none."""
        with opened(read_site(self.ws), "reader") as store:
            return load_documents(store).get(DocumentKey(kind, "", key))

    def change(self, item: str, **values: object) -> None:
        """A product there is another one."""
        (template,) = self.tryton.find("product.template", [["code", "=", item]], ["id"])
        self.tryton.call("product.template", "write", [template["id"]], values)


@pytest.fixture
def buyer(tmp_path: Path, tryton: Tryton) -> Buyer:
    """Of a Tryton in which others add lots meanwhile, and change nothing else."""
    return Buyer(tmp_path / "ws", tryton)


@pytest.fixture
def alone(tmp_path: Path, own_tryton: Tryton) -> Buyer:
    """Of a Tryton in which the test may change anything."""
    return Buyer(tmp_path / "ws", own_tryton)


def test_the_second_pull_changes_nothing(buyer: Buyer) -> None:
    assert buyer.pull().changes.documents > 0
    assert buyer.pull().changes.documents == 0


def test_read_in_small_pages_it_is_the_same(buyer: Buyer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = buyer.ask("master")
    monkeypatch.setattr(reading, "PAGE", 2)
    assert buyer.ask("master") == whole


def test_a_name_that_was_changed_is_changed(alone: Buyer) -> None:
    alone.pull()
    alone.change(SCREW, name="Screw, new name")
    assert alone.pull().changes.examples == [
        f"item {SCREW}: description 'Cancellous screw, 6.5 x 30 mm' → 'Screw, new name'"
    ]


def test_what_it_does_not_own_is_one_exception_and_changes_nothing(alone: Buyer) -> None:
    alone.pull()
    (alone.ws / "config" / "ownership.yaml").write_text("owners: {item: {description: [mdm]}}\n", "utf-8")
    alone.change(SCREW, name="Screw, new name")
    assert [alone.pull().changes.conflicts for _ in range(2)] == [1, 1]
    assert alone.has("item", SCREW).description == "Cancellous screw, 6.5 x 30 mm"
    with opened(read_site(alone.ws), "reader") as store:
        (group,) = store.hold_groups(("new",), 10)
    assert (group.code, group.exceptions, group.field) == ("not-owner", 1, "description")


def test_a_product_without_a_code_is_passed_over_with_its_lots_and_counted(alone: Buyer) -> None:
    alone.change(SCREW, code=None)
    answer = alone.pull()
    assert answer.passed_over == {
        "products without a code that can be used": 1,
        "lots of products that were passed over": 3,
    }
    assert (alone.has("item", SCREW), alone.has("item", CUP) is None) == (None, False)


def test_what_is_put_away_there_is_inactive_here(alone: Buyer) -> None:
    alone.change(CUP, active=False)
    alone.pull()
    assert alone.has("item", CUP).status == "inactive"


def test_what_is_no_more_is_removed_and_what_others_say_of_it_is_not(alone: Buyer) -> None:
    alone.pull()
    alone.bring_in(source="gudid", part=True, identifiers=f"item,system,value,quantity\n{CUP},GS1,19521234543210,5\n")
    for item in (CUP, GRAFT):
        alone.change(item, code=f"{item}-OLD")
    (warning,) = alone.pull().changes.warnings
    assert f"item {CUP}: no longer there, and kept here" in warning
    assert [each.value for each in alone.has("item", CUP).identifiers] == ["19521234543210"]
    assert alone.has("item", GRAFT) is None


def test_beside_tables_that_the_same_system_wrote_no_number_is_lost(buyer: Buyer) -> None:
    import_master(buyer.ws, ImportMaster(files=SAMPLES, source="erp"), KIM)
    before = buyer.has("item", SCREW)
    assert [each.removed for each in buyer.pull().changes.tables] == [0] * 4
    assert buyer.has("item", SCREW).identifiers == before.identifiers
    assert buyer.has("item", SCREW).units == before.units


def test_many_removals_are_refused_until_they_are_wanted(buyer: Buyer) -> None:
    buyer.pull()
    gone = "".join(f"{SCREW},GONE-{number}\n" for number in range(30))
    buyer.bring_in(source="erp", part=True, lots=f"item,lot\n{gone}")
    words = "lines of lots would be removed, because the pull from erp does not bring them any more"
    with pytest.raises(Refusal, match=re.escape(words)):
        buyer.pull()
    buyer.pull(allow_removals=True)
    assert buyer.has("lot", f"{SCREW}\x1fGONE-1") is None


def test_a_number_that_is_another_items_here_refuses_all_of_it_and_says_which(buyer: Buyer) -> None:
    (buyer.ws / "config" / "ownership.yaml").unlink()
    number = "item,system,value\nMINE,GS1,09521101530018\n"
    buyer.bring_in(source="other", items="item,description\nMINE,x\n", identifiers=number)
    with pytest.raises(WorkspaceError, match=f"duplicate-identifier {SCREW} GS1 09521101530018: .* of item MINE too"):
        buyer.pull()
    assert buyer.has("item", SCREW) is None


def test_a_tryton_that_shows_no_product_removes_none(alone: Buyer) -> None:
    alone.pull()
    for item in ("HIP-STEM-12", "HIP-STEM-13", CUP, SCREW, GRAFT):
        alone.change(item, code=None)
    with pytest.raises(NotRead, match="not one product with a code"):
        alone.pull(allow_removals=True)


def test_who_may_only_look_pulls_nothing(buyer: Buyer) -> None:
    wish = PullMaster(destination="erp", source="erp")
    with pytest.raises(Refusal, match="lou may not do this"):
        pull_master(buyer.ws, wish, buyer.ask("master"), Actor("lou", frozenset({"see"})))


# --- what something else answers in its place
PAGE = Reply(b"<html>Please sign in</html>", headers={"Content-Type": "text/html"})
NO_UNIT = Reply(b'[{"id": 1, "code": "A", "template": {"name": "x"}}]')
ENDLESS = Reply(json.dumps([{"id": 1}] * reading.PAGE).encode())


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (PAGE, "answer-not-understood"),
        (NO_UNIT, "answer-not-understood"),
        (ENDLESS, "answer-not-understood"),
        (Reply(b"[7]"), "answer-not-understood"),
        (Reply(b"[]"), "nothing-there"),
        (Reply(b"", status=403), "not-permitted"),
        (Reply(b"", status=503), "http-503"),
        (Reply(b"", status=500), "http-500"),
    ],
)
def test_an_odd_answer_is_not_read_and_changes_nothing(buyer: Buyer, reply: Reply, code: str) -> None:
    with Pretended() as pretended:
        pretended.script |= {"GET ir.model.field": Reply(b"[]"), "GET product.product": reply}
        engine = buyer.ws / "config" / "engine.yaml"
        engine.write_text(engine.read_text("utf-8").replace(buyer.tryton.url, pretended.url), "utf-8")
        with pytest.raises(NotRead) as caught:
            buyer.pull()
    assert caught.value.code == code


# --- what it has
@pytest.mark.parametrize("identifier", ["09521101530018", "9521101530018", SCREW, f" {SCREW} "])
def test_an_item_is_found_by_its_number_and_by_its_gtin_with_zeros_or_without(buyer: Buyer, identifier: str) -> None:
    assert [each.item for each in buyer.ask("item", identifier)] == [SCREW]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("NO-SUCH", None, None), "no product with the code NO-SUCH"),
        ((SCREW, "NOWHERE", None), "no location with the code NOWHERE"),
        ((SCREW, None, "SN-4711"), "no lot with the number SN-4711"),  # it is another item's
    ],
)
def test_what_it_does_not_have_is_told(buyer: Buyer, asked: tuple[object, ...], words: str) -> None:
    with pytest.raises(NothingThere, match=words):
        buyer.ask("on_hand", *asked)


def test_what_is_on_hand_is_each_places_own(buyer: Buyer, tryton: Tryton) -> None:
    tryton.new_lot(SCREW, "ASKED", "7")
    found = {place: buyer.ask("on_hand", SCREW, place, "ASKED") for place in ("OR-CORE", "STO", None)}
    assert [[str(row.quantity) for row in rows] for rows in found.values()] == [["7"], [], ["7"]]  # OR-CORE is in STO


def test_what_is_of_no_lot_is_told_too(alone: Buyer) -> None:
    alone.change(SCREW, lot_required=[])
    (product,) = alone.tryton.find("product.product", [["code", "=", SCREW]], ["id"])
    place, source = (
        alone.tryton.find("stock.location", domain, ["id"])[0]["id"]
        for domain in ([["code", "=", "OR-CORE"]], [["type", "=", "lost_found"], ["code", "=", None]])
    )
    move = {
        "product": product["id"], "unit": 1, "quantity": 4.0, "from_location": source, "to_location": place,
        "company": 1,
    }  # fmt: skip
    made = alone.tryton.call("stock.move", "create", [move])
    alone.tryton.call("stock.move", "do", made)
    found = {row.lot: str(row.quantity) for row in alone.ask("on_hand", SCREW, None, None)}
    assert found == {"": "4", "SC-88412": "100", "SC-88420": "100", "SC-EXPIRED": "20"}
    everything = {row.lot: str(row.quantity) for row in alone.ask("on_hand", None, None, None) if row.item == SCREW}
    assert everything == found


def test_suppliers_are_the_parties_of_a_category_and_no_others(alone: Buyer) -> None:
    assert "suppliers" not in alone.ask("master").tables
    tryton = alone.tryton
    (category,) = tryton.call("party.category", "create", [{"name": "Supplier"}])
    (party,) = tryton.find("party.party", [["code", "=", "EXAMPLE-BIO"]], ["id"])
    tryton.call("party.party", "write", [party["id"]], {"categories": [["add", [category]]]})
    engine = alone.ws / "config" / "engine.yaml"
    engine.write_text(engine.read_text("utf-8").replace("units: {EA", "suppliers: Supplier, units: {EA"), "utf-8")
    assert [row["supplier"] for row in alone.ask("master").tables["suppliers"]] == ["EXAMPLE-BIO"]
