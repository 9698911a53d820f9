"""Two engines at one destination, of each class: the first was stopped somewhere, and goes on when the second is done.

A zombie is an engine that was stopped between two instructions (SIGSTOP, a paused machine), lost its lease to another
one meanwhile, and doesn't know. A late commit is a request that its caller gave up, and that is carried out after all.
"""

from __future__ import annotations

import pytest

from casecart.runtime.destination import Delivery
from support.simulated import Engine, Site

SETTLING = 30.0
LONG = 100.0  # seconds: longer than any back-off or settling here

ONCE = [Delivery.KEYED, Delivery.TWO_STEP, Delivery.SEARCHABLE]
POINTS = [(writes, arrivals) for writes in (1, 2, 3, None) for arrivals in range(4)]
"""An engine is stopped behind so many writes (None: behind none), and behind so many requests that arrived."""


def site_of(delivery: Delivery) -> Site:
    return Site(delivery, settling=SETTLING if delivery is Delivery.SEARCHABLE else 0.0)


def stopped(site: Site, writes: int | None, arrivals: int) -> Engine:
    """An engine that was stopped there."""
    engine = Engine(site)
    engine.journal.stop_after = writes
    engine.take_over().run(serving=arrivals)
    return engine


def taken_over(site: Site, first: Engine) -> None:
    """By an engine that sees it to its end."""
    second = Engine(site).take_over()
    second.run(1.0)
    if site.erp.delivery is Delivery.SEARCHABLE:
        for request in first.connector.waiting:  # an ERP that takes longer than it says is for the late commits
            request.arrive()
    second.run(LONG)


def goes_on(zombie: Engine) -> None:
    """It knows nothing of the other one, and all that it had sent arrives."""
    zombie.journal.go_on()
    zombie.run(LONG)


# --- zombies
@pytest.mark.parametrize(("writes", "arrivals"), POINTS)
@pytest.mark.parametrize("delivery", ONCE)
def test_a_zombie_has_no_effect_beside_the_one_that_took_over(
    delivery: Delivery, writes: int | None, arrivals: int
) -> None:
    site = site_of(delivery)
    zombie = stopped(site, writes, arrivals)
    taken_over(site, zombie)
    assert (site.posting.state, site.effects) == ("posted", 1)
    goes_on(zombie)
    assert (site.posting.state, site.effects) == ("posted", 1)


@pytest.mark.parametrize(("writes", "arrivals"), POINTS)
def test_a_zombie_of_a_blind_destination_may_send_once_more_and_never_loses(writes: int | None, arrivals: int) -> None:
    """At least once is what is promised, and twice is what it comes to."""
    site = site_of(Delivery.BLIND)
    zombie = stopped(site, writes, arrivals)
    Engine(site).take_over().run(LONG)
    goes_on(zombie)
    assert site.posting.state == "posted"
    assert site.effects in (1, 2)


@pytest.mark.parametrize("delivery", Delivery)
def test_a_zombie_that_has_its_answer_writes_nothing(delivery: Delivery) -> None:
    site = site_of(delivery)
    zombie = stopped(site, None, 0)
    Engine(site).take_over().run(LONG)
    then = site.posting
    goes_on(zombie)
    assert (site.posting, zombie.journal.refused > 0) == (then, True)


def test_a_draft_that_a_zombie_makes_late_is_nobodys_and_stays_a_draft() -> None:
    site = site_of(Delivery.TWO_STEP)
    zombie = stopped(site, 1, 0)  # its reference is stored, and nothing is sent
    Engine(site).take_over().run(LONG)
    goes_on(zombie)
    assert sorted(state for _, _, state in site.erp.drafts) == ["done", "draft"]


def test_an_effect_that_a_zombie_asks_for_late_is_asked_of_a_draft_that_was_cancelled() -> None:
    site = site_of(Delivery.TWO_STEP)
    zombie = stopped(site, 2, 1)  # the draft's id is stored, and its effect is not asked for
    site.erp.short = True
    Engine(site).take_over().run(LONG)
    assert site.posting.state == "held"
    site.erp.short = False
    goes_on(zombie)
    assert (site.posting.state, site.effects) == ("held", 0)


def test_a_second_zombie_that_found_the_draft_asks_for_no_effect_after_a_third_took_over() -> None:
    site = site_of(Delivery.TWO_STEP)
    first = stopped(site, 1, 0)
    second = stopped(site, None, 0)  # it looks the draft up
    Engine(site).take_over().run(LONG)  # and the third finds none, and sends another
    first.journal.go_on()
    first.run(1.0)  # the draft comes to light
    goes_on(second)  # and is found
    assert site.effects == 1


def test_a_searched_destination_is_not_called_by_one_who_was_stopped_before_the_call_for_too_long() -> None:
    """It stores once more that it sends, which it may not any more."""
    site = site_of(Delivery.SEARCHABLE)
    zombie = stopped(site, 1, 0)
    Engine(site).take_over().run(LONG)
    goes_on(zombie)
    assert (zombie.connector.requests, zombie.journal.refused) == ([], 1)


def test_one_who_was_stopped_for_long_and_still_holds_the_destination_sends() -> None:
    site = site_of(Delivery.SEARCHABLE)
    engine = stopped(site, 1, 0)
    site.clock.advance(LONG)
    goes_on(engine)
    assert (site.posting.state, site.effects) == ("posted", 1)


# --- late commits
def given_up(site: Site, arrivals: int) -> Engine:
    """An engine whose request after so many is given up, and not carried out yet."""
    engine = stopped(site, None, arrivals)
    engine.connector.waiting[0].time_out()
    return engine


def late(engine: Engine) -> None:
    """What was given up is carried out after all."""
    (request,) = [request for request in engine.connector.requests if not request.arrived]
    request.arrive()


@pytest.mark.parametrize(("delivery", "effects"), [(Delivery.KEYED, 1), (Delivery.TWO_STEP, 1), (Delivery.BLIND, 2)])
def test_what_is_carried_out_after_it_was_looked_up_in_vain(delivery: Delivery, effects: int) -> None:
    site = site_of(delivery)
    engine = given_up(site, 0)
    engine.run(LONG)
    late(engine)
    engine.run(LONG)
    assert (site.posting.state, site.effects) == ("posted", effects)


def test_an_effect_that_comes_late_is_that_of_the_same_draft() -> None:
    site = site_of(Delivery.TWO_STEP)
    engine = given_up(site, 1)
    assert engine.connector.requests[-1].name == "carry out"
    engine.run(LONG)
    late(engine)
    assert (site.posting.state, site.effects, len(site.erp.drafts)) == ("posted", 1, 1)


def test_an_effect_that_comes_after_its_draft_was_cancelled_does_not_come() -> None:
    site = site_of(Delivery.TWO_STEP)
    engine = given_up(site, 1)
    site.erp.short = True
    engine.run(LONG)
    site.erp.short = False
    late(engine)
    assert (site.posting.state, site.effects) == ("held", 0)


def test_what_comes_to_light_within_the_settling_time_is_found_and_not_sent_again() -> None:
    site = site_of(Delivery.SEARCHABLE)
    engine = given_up(site, 0)
    engine.run(SETTLING - 1)
    assert [request.name for request in engine.connector.requests] == ["post"]
    late(engine)
    engine.run(LONG)
    assert (site.posting.proof, site.effects) == ("read back", 1)


def test_what_comes_to_light_after_the_settling_time_is_done_twice_which_is_the_stated_window() -> None:
    site = site_of(Delivery.SEARCHABLE)
    engine = given_up(site, 0)
    engine.run(SETTLING + 5)
    late(engine)
    engine.run(LONG)
    assert (site.posting.state, site.effects) == ("posted", 2)


def test_the_settling_time_is_waited_for_in_full_by_the_one_who_takes_over() -> None:
    site = site_of(Delivery.SEARCHABLE)
    stopped(site, None, 0)
    site.clock.advance(SETTLING)  # by its wall clock it would be over: nobody knows whose clock that was
    second = Engine(site).take_over()
    second.run(SETTLING - 1)
    assert second.connector.requests == []
    second.run(2)
    assert second.connector.requests[0].name == "look up"


# --- one who is told
@pytest.mark.parametrize(("writes", "arrivals"), POINTS)
@pytest.mark.parametrize("delivery", ONCE)
def test_one_who_is_told_that_it_lost_the_destination_sends_and_writes_nothing(
    delivery: Delivery, writes: int | None, arrivals: int
) -> None:
    site = site_of(delivery)
    first = stopped(site, writes, arrivals)
    sent = len(first.connector.requests)
    first.dispatcher.release()
    taken_over(site, first)
    first.journal.go_on()
    first.run(LONG)
    assert (len(first.connector.requests), first.journal.refused) == (sent, 0)
    assert (site.posting.state, site.effects) == ("posted", 1)


@pytest.mark.parametrize(("writes", "arrivals"), POINTS)
@pytest.mark.parametrize("delivery", ONCE)
def test_one_who_gets_the_destination_back_goes_on_from_the_store(
    delivery: Delivery, writes: int | None, arrivals: int
) -> None:
    site = site_of(delivery)
    engine = stopped(site, writes, arrivals)
    engine.dispatcher.release()
    engine.journal.go_on()
    engine.take_over().run(2 * LONG)
    assert (site.posting.state, site.effects) == ("posted", 1)


def test_one_who_was_told_waits_for_nothing_and_is_in_no_trouble() -> None:
    site = site_of(Delivery.KEYED)
    engine = given_up(site, 0)
    assert engine.dispatcher.trouble
    engine.dispatcher.release()
    assert (engine.dispatcher.trouble, engine.dispatcher.next_try, site.clock.getDelayedCalls()) == ("", None, [])


def test_a_stop_that_is_overtaken_by_the_loss_of_the_destination_ends() -> None:
    site = site_of(Delivery.KEYED)
    engine = stopped(site, None, 0)
    stopping = engine.dispatcher.stop(10.0)
    assert not stopping.called
    engine.dispatcher.release()
    assert stopping.called


def test_a_stop_while_the_destination_is_being_given_away_ends_both() -> None:
    site = site_of(Delivery.KEYED)
    engine = stopped(site, None, 0)
    ended: list[str] = []
    giving, stopping = engine.dispatcher.stop(10.0), engine.dispatcher.stop(10.0)
    giving.addCallback(lambda _: engine.dispatcher.release()).addCallback(lambda _: ended.append("given"))
    stopping.addCallback(lambda _: ended.append("stopped"))
    site.clock.advance(10.0)
    assert (ended, site.clock.getDelayedCalls()) == (["given", "stopped"], [])
