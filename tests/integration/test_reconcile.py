"""`casecart reconcile` against a real Tryton: what agrees, and what people did there without the ledger."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from casecart.cli.exit import Exit
from casecart.cli.main import run
from casecart.runtime.made import encode_postings
from casecart.runtime.restored import found_of
from casecart.runtime.stated import Verdict, encode_statements
from casecart.store import Change, open_store
from support import forked
from support.engine_process import free_port
from support.new_workspace import new_workspace
from support.reactor import in_reactor, reactor
from support.store import an_entry
from support.tryton.posting import SCREW, codes, destination, lot_of, post, posting
from support.tryton.server import Tryton

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from casecart.destinations.tryton import TrytonDestination
    from casecart.runtime.destination import Posting
    from support.tryton.kit import Kit

pytestmark = pytest.mark.timeout(120)

days = (dt.date(2026, 3, 1) + dt.timedelta(days=number) for number in itertools.count())
POSTED = [(1, "planned"), (2, "sent"), (3, "posted")]


@pytest.fixture(scope="module")
def server(tryton_kit: Kit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tryton]:
    """One for all tests of this module: each has a day of its own, on which nobody else moves anything."""
    with Tryton(tryton_kit, tmp_path_factory.mktemp("tryton"), free_port()) as tryton:
        yield tryton


class Books:
    """A workspace whose ledger is written by the test, and what was posted from it to a Tryton on one day."""

    def __init__(self, root: Path, tryton: Tryton, erp: TrytonDestination) -> None:
        self.root, self.tryton, self.erp = root, tryton, erp
        self.day = next(days)
        self._sequence = itertools.count(1)
        new_workspace(root)
        (root / "var" / "secrets" / "tryton").write_text(tryton.key)
        self.configure(f'kind: tryton, url: "{tryton.url}", key: {{file: var/secrets/tryton}}, timeout: 5s')

    def configure(self, wanted: str) -> None:
        path = self.root / "config" / "engine.yaml"
        before, _, _ = path.read_text("utf-8").rpartition("inventory:")
        path.write_text(f"{before}inventory: {{{wanted}}}\n", "utf-8")

    def write(self, *postings: Posting, verdicts: tuple[Verdict, ...] = ()) -> None:
        """A row of the ledger."""
        row = an_entry(
            next(self._sequence),
            destination="inventory",
            open=0,
            postings=encode_postings(list(postings)),
            statements=encode_statements([], list(verdicts)),
        )
        store = open_store(f"sqlite:///{self.root}/var/casecart.db", role="engine")
        try:
            store.write(Change(entries=[row]))
        finally:
            store.close()

    def use(self, quantity: str = "3", **fields: object) -> Posting:
        """A use of that day, of a lot of its own."""
        return posting(lot_of(self.tryton), quantity, **{"used_on": self.day, **fields})

    def post(self, *postings: Posting) -> None:
        """Sent, answered and stored."""
        assert codes(post(self.erp, *postings)) == ["posted"] * len(postings)
        for each in postings:
            each.state, each.history = "posted", POSTED
        self.write(*postings)

    def type(self, lot: str | None, quantity: str = "3", *, reference: str | None = None, done: bool = True) -> int:
        """A shipment that somebody types in Tryton."""
        (place,), (used,), (product,), (number,) = (
            [each["id"] for each in self.tryton.find(model, [[field, "=", value]], ["id"])]
            for model, field, value in (
                ("stock.location", "code", "OR-CORE"),
                ("stock.location", "code", "7100-USED"),
                ("product.product", "code", SCREW),
                ("stock.lot", "number", lot),
            )
        )
        when = {"__class__": "date", "year": self.day.year, "month": self.day.month, "day": self.day.day}
        move = {
            "product": product, "unit": 1, "quantity": float(quantity), "lot": number, "from_location": place,
            "to_location": used,
        }  # fmt: skip
        names = ("planned_date", "planned_start_date", "effective_date", "effective_start_date")
        values = {"reference": reference, "from_location": place, "to_location": used, **dict.fromkeys(names, when)}
        (made,) = self.tryton.call("stock.shipment.internal", "create", [values | {"moves": [["create", [move]]]}])
        for step in ("wait", "assign_try", "do") if done else ():
            self.tryton.call("stock.shipment.internal", step, [made])
        return int(made)

    def press(self, button: str, reference: str) -> None:
        """What somebody does to a shipment in Tryton."""
        found = [each["id"] for each in self.tryton.shipments(["reference", "=", reference])]
        self.tryton.call("stock.shipment.internal", button, found)


@pytest.fixture
def books(server: Tryton, tmp_path: Path) -> Iterator[Books]:
    erp = destination(server.url, tmp_path, server.key)
    yield Books(tmp_path / "ws", server, erp)
    in_reactor(erp.stop)


@pytest.fixture
def typed(books: Books, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Types the command in this process, whose reactor runs already; gives exit code, output and errors."""
    monkeypatch.setattr("casecart.cli.reconcile.in_reactor", lambda ask: in_reactor(ask, reactor))

    def type_(*more: str, name: str = "inventory", day: str = "") -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["reconcile", name, "--day", day or books.day.isoformat(), "-w", str(books.root), *more])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return type_


@pytest.fixture
def compared(typed: Callable[..., tuple[int, str, str]]) -> Callable[[], Any]:
    """The document that the command prints."""

    def compare() -> Any:  # noqa: ANN401 - a document
        code, out, err = typed("--json")
        document = json.loads(out)
        assert (code, err) == (Exit.FINE if document["agrees"] else Exit.WRONG, "")
        return document

    return compare


def kinds(document: dict[str, Any]) -> list[str]:
    return [" ".join([each["kind"], *each["fields"]]) for each in document["differences"]]


def test_a_day_that_agrees(books: Books, compared: Callable[[], Any]) -> None:
    books.post(books.use("3"), books.use("2"), books.use("1", disposition="wasted"))
    books.post(books.use("1"))
    books.use("1", used_on=books.day + dt.timedelta(days=1))
    found = compared()
    assert (kinds(found), found["agreeing"], found["movements"], found["rows"]) == ([], 4, 4, 2)


def test_what_was_taken_back_agrees_as_well(books: Books, compared: Callable[[], Any]) -> None:
    use = books.use("3")
    books.post(use)
    lot = json.loads(use.payload)["lot"]
    books.post(posting(lot, "1", used_on=books.day, action="reverse"))
    found = compared()
    assert (kinds(found), found["agreeing"]) == ([], 2)


def test_a_movement_that_somebody_typed_is_not_in_the_ledger(books: Books, compared: Callable[[], Any]) -> None:
    lot = lot_of(books.tryton)
    books.post(books.use())
    books.type(lot, "2", reference="for Dr. A")
    found = compared()
    (difference,) = found["differences"]
    assert (difference["kind"], difference["ledger"], difference["postings"]) == ("not-in-ledger", None, [])
    moved = difference["erp"]
    assert [moved[name] for name in ("item", "lot", "quantity", "from", "to", "day", "state", "reference")] == [
        SCREW, lot, "2", "OR-CORE", "7100-USED", books.day.isoformat(), "done", "for Dr. A",
    ]  # fmt: skip
    assert moved["number"] != ""


def test_a_shipment_that_was_cancelled_there_is_not_moved(books: Books, compared: Callable[[], Any]) -> None:
    use = books.use()
    books.post(use)
    books.press("cancel", use.group)
    (difference,) = compared()["differences"]
    assert (difference["kind"], difference["erp"]["state"]) == ("not-moved", "cancelled")
    assert [each["key"] for each in difference["postings"]] == [use.key]


def test_a_shipment_that_was_made_anew_by_hand_with_another_quantity_differs(
    books: Books, compared: Callable[[], Any]
) -> None:
    use = books.use("3")
    books.post(use)
    books.press("cancel", use.group)
    books.type(json.loads(use.payload)["lot"], "2")
    (difference,) = compared()["differences"]
    assert (difference["kind"], difference["fields"]) == ("differs", ["quantity"])
    assert (difference["ledger"]["quantity"], difference["erp"]["quantity"]) == ("3", "2")


def test_what_was_done_on_another_day_is_told_on_both(books: Books, compared: Callable[[], Any]) -> None:
    use = books.use()
    (use.group,) = books.erp.groups([use])
    use.state, use.history = "posted", POSTED
    books.write(use)
    books.day = next(days)
    books.type(json.loads(use.payload)["lot"], reference=use.group)
    assert kinds(compared()) == ["differs day"]
    books.day -= dt.timedelta(days=1)
    assert kinds(compared()) == ["not-moved"]


def test_a_draft_of_ours_is_a_leftover_and_says_to_cancel_it(books: Books, compared: Callable[[], Any]) -> None:
    reference = f"CC-{'e' * 32}.1-1"
    books.type(lot_of(books.tryton), reference=reference, done=False)
    (difference,) = compared()["differences"]
    assert (difference["kind"], reference in difference["words"]) == ("leftover", True)
    assert difference["words"].endswith("is draft, and nobody will do it: cancel it there.")
    books.press("cancel", reference)
    assert compared()["agrees"] is True


def test_a_draft_that_is_still_to_be_looked_up_is_on_the_way(books: Books, compared: Callable[[], Any]) -> None:
    use = books.use()
    (use.group,) = books.erp.groups([use])
    use.state = "unknown"
    books.write(use)
    books.type(json.loads(use.payload)["lot"], reference=use.group, done=False)
    found = compared()
    assert (kinds(found), found["on_the_way"]) == ([], 1)


def test_what_a_person_moved_and_said_so_agrees(books: Books, compared: Callable[[], Any]) -> None:
    use = books.use()
    use.state = "held"
    books.write(use)
    books.type(json.loads(use.payload)["lot"])
    assert kinds(compared()) == ["not-in-ledger"]
    books.write(verdicts=(Verdict(use.key, "1", "posted"),))
    found = compared()
    assert (kinds(found), found["agreeing"]) == ([], 1)


def test_what_was_moved_after_all_and_is_held_is_told(books: Books, compared: Callable[[], Any]) -> None:
    use = books.use()
    assert codes(post(books.erp, use)) == ["posted"]
    use.state, use.unsure = "held", True
    books.write(use)
    assert kinds(compared()) == ["not-posted"]


def test_what_was_posted_without_a_day_is_found_by_its_reference(books: Books, compared: Callable[[], Any]) -> None:
    use = books.use(used_on=None)
    (use.group,) = books.erp.groups([use])
    use.state, use.history = "posted", POSTED
    books.write(use)
    books.type(json.loads(use.payload)["lot"], reference=use.group)
    found = compared()
    assert (kinds(found), found["agreeing"]) == ([], 1)


def test_what_goes_to_a_place_that_used_can_not_name_is_of_no_concern(
    books: Books, compared: Callable[[], Any]
) -> None:
    # Stock for the test itself comes from another lost and found location.
    name = lot_of(books.tryton)
    books.day = dt.date(2026, 2, 2)
    assert (name != "", compared()["movements"]) == (True, 0)


def test_a_reference_that_only_looks_like_ours_is_somebody_elses(books: Books, compared: Callable[[], Any]) -> None:
    books.type(lot_of(books.tryton), reference="CC-7100", done=False)
    assert compared()["agrees"] is True


def test_more_than_a_page_of_movements_is_read(
    books: Books, compared: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casecart.destinations.tryton.movements.PAGE", 2)
    monkeypatch.setattr("casecart.destinations.tryton.movements.AT_ONCE", 2)
    monkeypatch.setattr("casecart.commands.reconcile.PAGE", 1)
    for _ in range(3):
        books.post(books.use(), books.use())
    found = compared()
    assert (kinds(found), found["agreeing"], found["rows"]) == ([], 6, 3)


def test_people_get_a_table_with_words(books: Books, typed: Callable[..., tuple[int, str, str]]) -> None:
    use = books.use()
    books.post(use)
    lot = json.loads(use.payload)["lot"]
    books.press("cancel", use.group)
    code, out, _ = typed()
    header, row, words, empty, total = out.splitlines()
    assert (code, header.split()[:4], empty) == (Exit.WRONG, ["DIFFERENCE", "MESSAGE", "ITEM", "LOT"], "")
    assert row.split()[:7] == ["not-moved", "1", "FT1[1]", SCREW, lot, "3", "-"]
    assert words.strip().startswith(f"It was posted under {use.group}, and that shipment")
    assert total == (
        f"inventory on {books.day}: 0 postings agree, 1 difference; 1 movement there and 1 row of the ledger looked at"
    )


def test_a_command_of_its_own_runs_the_reactor(books: Books) -> None:
    books.post(books.use())
    done = forked.run("reconcile", "inventory", "--day", books.day.isoformat(), cwd=books.root)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"inventory on {books.day}: 1 posting agrees, 0 differences")


# --- what can't be compared
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("inventry", "No destination is called 'inventry'; the workspace has inventory. Did you mean 'inventory'?"),
        ("", "No destination is called ''; the workspace has inventory"),
        ("a\x1b[31m", "No destination is called 'a\\x1b[31m'; the workspace has inventory"),
    ],
)
def test_an_unknown_destination_is_refused(typed: Callable[..., tuple[int, str, str]], name: str, words: str) -> None:
    assert typed(name=name) == (Exit.WRONG, "", f"Error: {words}\n")


def test_a_destination_that_can_not_be_asked_is_refused(
    books: Books, typed: Callable[..., tuple[int, str, str]]
) -> None:
    books.configure("kind: file, folder: var/inventory")
    words = "'inventory' is of the kind 'file', which can't be asked what was moved; kinds that can: tryton"
    assert typed() == (Exit.WRONG, "", f"Error: {words}\n")


@pytest.mark.parametrize("day", ["yesterday", "2026-13-01", "2026-02-30", "20261103", "2026-W10-1", "٢٠٢٦-11-03", ""])
def test_a_day_that_is_none_is_a_usage_error(books: Books, day: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["reconcile", "inventory", "--day", day, "-w", str(books.root)])
    assert (code, "is no day; write it as 2026-11-03" in capsys.readouterr().err) == (Exit.USAGE, True)


def test_a_day_must_be_given(books: Books, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["reconcile", "inventory", "-w", str(books.root)]) == Exit.USAGE
    assert "--day" in capsys.readouterr().err


def test_an_erp_that_is_away_is_told_in_plain_words(books: Books, typed: Callable[..., tuple[int, str, str]]) -> None:
    books.configure('kind: tryton, url: "http://127.0.0.1:9/hosp", key: {file: var/secrets/tryton}')
    words = "Error: 'inventory' was not read: Nothing listens at the service's address (connection-refused)\n"
    assert typed("--json") == (Exit.NETWORK, "", words)


def test_a_key_that_is_wrong_is_told_and_not_shown(books: Books, typed: Callable[..., tuple[int, str, str]]) -> None:
    (books.root / "var" / "secrets" / "tryton").write_text("not the key")
    code, out, err = typed()
    assert (code, out, "does not accept the application key" in err) == (Exit.CONFIGURATION, "", True)
    assert "not the key" not in err


def test_a_key_that_is_not_there_is_a_mistake_of_the_workspace(
    books: Books, typed: Callable[..., tuple[int, str, str]]
) -> None:
    (books.root / "var" / "secrets" / "tryton").unlink()
    code, out, err = typed()
    assert (code, out, "could not be read" in err) == (Exit.CONFIGURATION, "", True)


def test_where_no_place_for_used_things_is_known_nothing_is_said_to_agree(
    books: Books, typed: Callable[..., tuple[int, str, str]]
) -> None:
    used = 'used: {default: "{department}-X"}'
    books.configure(f'kind: tryton, url: "{books.tryton.url}", key: {{file: var/secrets/tryton}}, {used}')
    code, out, err = typed()
    assert (code, out, "whose code is like {department}-X (nothing-there)" in err) == (Exit.CONFIGURATION, "", True)


def test_on_a_terminal_it_says_what_it_is_at(
    books: Books, typed: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("casecart.cli.progress._OFTEN", 0.0)
    books.post(books.use())
    _, _, err = typed()
    assert [words.strip() for words in err.split("\r") if words.strip()] == [
        "asking inventory",
        "rows of the ledger looked at: 1",
    ]


def test_after_a_restore_what_was_posted_since_and_is_not_in_the_ledger_is_told_and_remembered(
    books: Books, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("casecart.cli.reconcile.in_reactor", lambda ask: in_reactor(ask, reactor))
    at, here = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), ("-w", str(books.root))
    kept, lost, draft = books.use(), books.use("2"), f"CC-{'d' * 32}.1-1"
    books.post(kept)
    assert codes(post(books.erp, lost)) == ["posted"]  # and the store that knew it is gone
    books.type(lot_of(books.tryton), reference=draft, done=False)
    books.type(lot_of(books.tryton), reference="for Dr. A")
    assert run(["reconcile", "inventory", "--after-restore", *here]) == Exit.WRONG
    assert "was not restored" in capsys.readouterr().err
    assert run(["backup", "restored", "--as-of", at, "--reason", "snapshot", *here]) == Exit.FINE
    assert run(["resume", "inventory", *here]) == Exit.WRONG
    capsys.readouterr()
    assert run(["reconcile", "inventory", "--after-restore", "--json", *here]) == Exit.FINE
    # What other tests of this module moved there is of no ledger here either.
    found = {each["reference"]: each for each in json.loads(capsys.readouterr().out)["found"]}
    assert {kept.group, "for Dr. A"}.isdisjoint(found)
    moved = [found[lost.group]["state"], *(each["quantity"] for each in found[lost.group]["movements"])]
    assert (moved, found[draft]["state"]) == (["done", "2"], "draft")
    store = open_store(f"sqlite:///{books.root}/var/casecart.db", role="reader")
    assert {each.reference for each in found_of(store.timers(), "inventory", 0)} == set(found)
    store.close()
    assert run(["reconcile", "inventory", "--after-restore", *here]) == Exit.FINE  # again, for people
    assert lost.group in capsys.readouterr().out
    assert run(["resume", "inventory", *here]) == Exit.FINE
    assert run(["reconcile", "inventory", "--after-restore", *here]) == Exit.WRONG
    assert "was reconciled after the restore, and resumed" in capsys.readouterr().err
