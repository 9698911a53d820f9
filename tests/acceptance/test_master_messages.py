"""A user whose materials system sends its item master: what `casecart` says of it, through a real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.user import User


def test_an_item_master_is_acknowledged_and_then_there(at_work: User) -> None:
    sent = at_work.send("samples/hl7v2/mfn-items.hl7", "samples/hl7v2/mfn-charge-codes.hl7")
    assert sent.returncode == 0, sent.stderr
    status = at_work.wait(
        "end of both",
        "status",
        until=lambda now: sum(each["terms"]["no_change"] for each in now["balances"]["channels"]) == 2,
    )
    assert status["balances"]["exact"]
    shown = at_work.run("master", "show", "item", "PLATE-6H")
    assert "Locking plate, 6 holes" in shown.stdout, shown.stderr
    message = at_work.run("message", "show", "1")
    assert message.returncode == 0, message.stderr
    done = at_work.run("message", "replay", "1", "--reason", "to see that nothing changes")
    assert done.returncode == 0, done.stderr


def test_what_a_message_can_not_bring_is_in_the_worklist(at_work: User) -> None:
    body = (at_work.ws / "samples/hl7v2/mfn-items.hl7").read_bytes()
    (at_work.ws / "bad.hl7").write_bytes(body.replace(b"IVT|1|OR-CORE", b"IVT|1|NOWHERE"))
    assert at_work.send("bad.hl7").returncode == 0
    causes = at_work.wait("cause", "worklist", "list", until=lambda now: now["causes"])["causes"]
    assert [cause["code"] for cause in causes] == ["unknown-name"]
    shown = at_work.run("worklist", "show", causes[0]["id"])
    assert shown.returncode == 0, shown.stderr
    assert "there is no location 'NOWHERE'" in shown.stdout
