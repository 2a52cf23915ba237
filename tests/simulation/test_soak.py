"""Many journeys without a violation, and each the same again."""

import os
import random
import subprocess
import sys

import pytest

from localcloud.project import ROOT
from simulator import definitions, liveness_checks, scenario, soak
from simulator.faults import Fault, Faults
from simulator.machines import Execution
from simulator.options import Options


@pytest.fixture(scope="module")
def tally() -> soak.Tally:
    return soak.run(journeys=300, seed=1)


def test_nothing_is_violated(tally: soak.Tally) -> None:
    assert tally.violations == 0, tally.report()


def test_every_kind_of_fault_happened(tally: soak.Tally) -> None:
    assert set(tally.faults) == set(Fault)


def test_journeys_end_in_every_way(tally: soak.Tally) -> None:
    assert {"tracked", "failed", "free", "gone"} == set(tally.ends)


@pytest.mark.parametrize(
    ("failures", "comes_to"),
    [
        pytest.param(16, (1, []), id="trouble in several of its states"),
        pytest.param(5, (0, ["lost"]), id="no more than the retries of one state"),
    ],
)
def test_an_intake_may_outlast_its_five_minutes_only_in_a_storm(
    failures: int, comes_to: tuple[int, list[str]]
) -> None:
    chance = random.Random(1)
    built = scenario.build(chance, Options.draw(chance), Faults.draw(chance))
    world, checks = built.world, built.checks
    message = {"kind": "failed", "deviceId": "device-1", "eventId": "1"}
    intake = world.states.machines[definitions.machine_arn("intake")]
    execution = Execution(intake, "delivery-1", message, now=0.0)
    execution.status, execution.failures = "TIMED_OUT", failures
    liveness_checks.check_intake(checks, execution)
    assert (checks.overtime, [violation.name for violation in checks.violations]) == comes_to


def test_the_report_says_it_all(tally: soak.Tally) -> None:
    report = tally.report()
    assert f"journeys simulated  {tally.journeys:,}" in report
    assert f"out of time         {tally.overtime}" in report
    assert f"violations          {tally.violations}" in report
    assert "journeys a minute" in report


def test_the_number_of_processes_changes_nothing() -> None:
    alone, together = soak.run(40, seed=7, chunk=5), soak.run(40, seed=7, jobs=2, chunk=5)
    alone.seconds = together.seconds = 0.0
    assert alone == together


@pytest.mark.parametrize("seed", range(20, 30))
def test_a_seed_gives_the_same_trace_again(seed: int) -> None:
    first, second = scenario.run(seed), scenario.run(seed)
    assert list(first.trace.lines()) == list(second.trace.lines())


def test_a_seed_gives_the_same_trace_in_another_process() -> None:
    program = (
        "from simulator import scenario;"
        "print([scenario.run(seed).trace.digest() for seed in range(30)])"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert answers == {f"{[scenario.run(seed).trace.digest() for seed in range(30)]}\n"}


def test_the_commands_replay_what_they_found() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "simulator", "replay", "3"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    result = scenario.run(3)
    assert answer.returncode == bool(result.violations)
    assert "\n".join(result.trace.lines()) in answer.stdout
