"""An ERP that commits and then times out, resets, fails or answers late, under kills of the engine: what comes of it.

The ERP's own record is the oracle: nothing is missing; nothing is there twice where the destination is keyed or
two-step; how often where it is searchable or blind is counted.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from casecart.store import open_store
from support.at_rest import status
from support.crash_oracle import Evidence, faults, tally
from support.engine_process import EngineProcess, free_port
from support.erp_simulator import FATES, PATIENCE, SETTLING, ErpSimulator
from support.plugin import environment
from support.sender import Load, Senders
from support.workspace import Settings, write

if TYPE_CHECKING:
    from pathlib import Path

    from support.trial import Trial

RATE = 0.05  # of each fault, of the calls of a destination
SENDERS = 8
MESSAGES_A_CASE = 4
POSTED_OF_MESSAGE = 2.0  # two lines of three on average
STUCK = 120.0  # seconds in which something must get on

# As much goes wrong here in a minute as elsewhere in years: with the usual waits it would take hours, and some postings
# would be given to a person because they failed ten times.
PATIENT = """\
from casecart.runtime import backoff, parts, outcome
backoff.FIRST = outcome.FIRST = 0.02
backoff.LONGEST = outcome.LONGEST = 0.5
Limits = parts.Limits
parts.Limits = lambda **given: Limits(**{**given, "tries": 50})
"""

PROMISED = ("keyed", "two-step")
"""Classes of which exactly once is promised."""

DESTINATIONS = {
    "keyed": "    kind: rest\n    delivery: keyed\n",
    "blind": "    kind: rest\n    delivery: blind\n",
    "searchable": "    kind: erp-searchable\n",
    "searchable, asked after the settling time": f"    kind: erp-searchable\n    settles: {int(SETTLING * 1000)}ms\n",
    "two-step": "    kind: erp-two-step\n",
}
"""What is tried → its destination."""


def workspace(root: Path, store: str, port: int, url: str, delivery: str) -> Path:
    """Of an engine whose destination is the ERP."""
    batch = 3 if delivery == "two-step" else 10
    target = url if "erp-" in DESTINATIONS[delivery] else f"{url}/postings"
    write(root, Settings(store=store, port=port, destination=target, batch=batch, concurrency=32))
    path = root / "config" / "engine.yaml"
    text = path.read_text("utf-8").replace("    delivery: keyed\n", "")
    assert "    kind: rest\n" in text
    limit = f"    timeout: {int(PATIENCE * 1000)}ms\n"
    path.write_text(text.replace("    kind: rest\n", DESTINATIONS[delivery] + limit), "utf-8")
    return root


def run(root: Path, trial: Trial, delivery: str, *, postings: int, kills: int) -> None:
    """As many postings through an ERP of that class, while the engine is killed so often; tells what came of it."""
    store, port = f"sqlite:///{root}/casecart.db", free_port()
    erp_class = delivery.partition(",")[0]
    rate = RATE / 2 if erp_class == "two-step" else RATE  # a call is a draft and its carrying out
    with ErpSimulator(erp_class, root / "erp", seed=trial.seed, rate=rate) as erp:
        folder = workspace(root / "workspace", store, port, erp.url, delivery)
        load = Load(messages_a_case=MESSAGES_A_CASE, pause=0.005)
        with (
            EngineProcess(folder, port, environment=environment(), plant=PATIENT) as engine,
            Senders(SENDERS, port, load) as senders,
        ):
            engine.start()
            killed = kill_while(engine, erp, trial, postings=postings, kills=kills, senders=senders)
            assert killed == kills
            senders.finish()
            rest(store, erp)
            assert status(folder)["balances"]["exact"] is True
            assert engine.stop() == 0, engine.log
            assert "Traceback" not in engine.log, engine.log
            evidence = Evidence(store, root / "came", senders.sent, senders.acknowledged, senders.resends)
        time.sleep(2 * PATIENCE)  # what is done when nobody waits any more is done by then
        evidence.record.write_text("".join(f"{payload}\n" for payload in erp.payloads()), "utf-8")
        counts = erp.counts()
    counted = tally(evidence)
    came = len(erp.payloads())
    trial.tell(
        f"ERP's answers, {delivery}",
        counted,
        store=store,
        cycles=kills,
        postings=came - counted.duplicates,
        requests=counts["requests"],
        faults=sum(counts[fate] for fate in FATES),
        **{"drafts left": counts["drafts left"]} if delivery == "two-step" else {},
    )
    assert faults(evidence) == []
    assert (counted.lost, counted.inversions) == (0, 0)
    if erp_class in PROMISED:
        assert counted.duplicates == 0
    assert came - counted.duplicates >= postings
    assert any(counts[fate] for fate in FATES), counts


def kill_while(
    engine: EngineProcess, erp: ErpSimulator, trial: Trial, *, postings: int, kills: int, senders: Senders
) -> int:
    """Kills the engine at instants spread over the run by chance, and ends the senders when they have sent enough."""
    moments = sorted(trial.chance.uniform(0.0, 0.95) for _ in range(kills))
    killed, given_up = 0, time.monotonic() + STUCK
    done = -1
    while done < postings or killed < kills:
        time.sleep(0.05)
        if len(senders.acknowledged) * POSTED_OF_MESSAGE > 1.1 * postings:
            senders.finish()
        counts = erp.counts()
        now = counts["postings"] - counts["came again"]
        if now > done:
            done, given_up = now, time.monotonic() + STUCK
        assert time.monotonic() < given_up, f"nothing gets on: {done} of {postings} postings, {killed} kills"
        if killed < kills and done >= moments[killed] * postings:
            engine.kill()
            engine.start()
            killed += 1
    return killed


def rest(store: str, erp: ErpSimulator) -> None:
    """Waits until nothing waits and nothing is on its way, as long as the ERP is asked for something."""
    given_up, before = time.monotonic() + STUCK, 0
    with closing(open_store(store, role="reader")) as reader:
        while any(reader.waiting_counts().values()) or reader.open_counts():
            requests = erp.counts()["requests"]
            if requests > before:
                before, given_up = requests, time.monotonic() + STUCK
            assert time.monotonic() < given_up, f"not at rest: {reader.open_counts()}"
            time.sleep(0.2)


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("delivery", DESTINATIONS)
def test_twenty_kills_and_an_erp_whose_answers_get_lost(tmp_path: Path, trial: Trial, delivery: str) -> None:
    run(tmp_path, trial, delivery, postings=trial.times(20_000, 100_000), kills=20)
