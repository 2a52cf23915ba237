"""Simulated runs lead where the deployed ones do: one table for both, with all errors of all tasks.

So a Catch or a Retry that is taken out of a definition is missed within a second.
"""

import random
from typing import Any

import pytest

from simulator import asl, definitions
from simulator.faults import Faults
from simulator.machines import Execution, StateMachine, StepFunctions
from simulator.scheduler import Scheduler
from simulator.trace import Trace
from tests.simulation.removals import Removal, removals
from tests.workflow.machines import Case, Error
from tests.workflow.test_transitions import ERROR_ROWS, FAILS, KEPT, Row, _failing


class _Mocks:
    """The functions and services that a run calls: each answers as its case says."""

    def __init__(self, scheduler: Scheduler, case: Case, machine: StateMachine) -> None:
        self._scheduler = scheduler
        self._case = case
        self._machine = machine
        self.called: list[str] = []
        """The states whose tasks were called, one entry an attempt."""

    def invoke(self, _resource: str, _given: Any, done: Any) -> float:
        state = self._machine.executions[_NAME].state
        answers = self._case.mocks.get(state, ())
        answer = answers[min(self.called.count(state), len(answers) - 1)] if answers else None
        self.called.append(state)
        if isinstance(answer, Error):
            self._scheduler.after(0, lambda: done(answer.name, f"mocked {answer.name}"))
        else:
            self._scheduler.after(0, lambda: done(None, answer.value if answer else {}))
        return 0


_NAME = "run"


def follow(case: Case, definition: dict[str, Any]) -> tuple[Execution, list[str]]:
    """A run of a case on fake time, when it is over, and the attempts that it made."""
    chance, scheduler, trace = random.Random(1), Scheduler(0.0), Trace()
    machine = StateMachine(
        case.machine, "arn", asl.compile_machine(definition), case.machine == "intake"
    )
    mocks = _Mocks(scheduler, case, machine)
    tasks = (state for state in definition["States"].values() if state["Type"] == "Task")
    steps = {task["Resource"]: task["Resource"] for task in tasks}
    functions: Any = mocks
    states = StepFunctions(
        scheduler=scheduler,
        faults=Faults(chance),
        trace=trace,
        functions=functions,
        steps=steps,
        queues={},
    )
    run = states.start(machine, _NAME, dict(case.given))
    scheduler.run()
    return run, mocks.called


def leads_where_it_should(row: Row, definition: dict[str, Any]) -> bool:
    machine, state, error, attempts, following = row
    run, called = follow(_failing(machine, state, error), definition)
    if called.count(state) != attempts:
        return False
    if following is FAILS:
        return (run.state, run.status, run.error) == (state, "FAILED", error)
    if following == KEPT:
        end = (run.state, run.status, run.error)
        return called[-1] == KEPT and end == ("MessageInDeadLetterQueue", "FAILED", error)
    return (run.state, run.status) == (following, "SUCCEEDED")


@pytest.mark.parametrize("row", ERROR_ROWS, ids=lambda row: "-".join(row[:3]))
def test_an_error_leads_where_it_should(row: Row) -> None:
    assert leads_where_it_should(row, definitions.definition(row[0]))


@pytest.mark.parametrize("removal", tuple(removals()), ids=str)
def test_a_catch_or_retry_that_is_taken_out_is_missed(removal: Removal) -> None:
    rows = [row for row in ERROR_ROWS if row[:2] == (removal.machine, removal.state)]
    assert not all(leads_where_it_should(row, removal.apply()) for row in rows)
