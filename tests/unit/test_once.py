"""What happens once happens once, wherever a step died before it ran again."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from firmware_retry import aws, executions, retries_table
from firmware_retry.errors import RequestRefusedError, TransientError
from firmware_retry.handlers import (
    reset_retry_count_to_failed_update,
    reset_retry_counter_and_move_out,
    send_sns_notification,
)
from firmware_retry.record import Run

from .conftest import MACHINES, Cloud
from .journey import Recovery, begin, use_up_a_cycle


@pytest.fixture
def recovery(cloud: Cloud) -> Recovery:
    """The input of the recovery of a device that used up a cycle."""
    cloud.create_thing(model="wo:v8", FW="2.26")
    begin()
    return use_up_a_cycle()


@pytest.fixture
def escalation(recovery: Recovery) -> Recovery:
    """The input of the escalation of a device that is marked as failed."""
    reset_retry_count_to_failed_update.handler(recovery, None)
    return recovery


def _dies(*_: Any, **__: Any) -> None:
    raise TransientError("died")


def test_a_death_between_telling_and_marking_adds_no_second_message(
    cloud: Cloud, escalation: Recovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(retries_table, "mark_notified", _dies)
        with pytest.raises(TransientError):
            send_sns_notification.handler(escalation, None)
    send_sns_notification.handler(escalation, None)
    assert cloud.calls.count("sns.publish") == 2
    assert len(cloud.messages()) == 1


def test_when_somebody_was_told_first_stays(
    cloud: Cloud, escalation: Recovery, fake_time: list[float]
) -> None:
    run = Run.parse(escalation)
    retries_table.mark_notified(run)
    first = (cloud.record() or {})["notifiedAt"]
    fake_time[0] += 60
    retries_table.mark_notified(run)
    assert (cloud.record() or {})["notifiedAt"] == first


def test_a_device_that_is_away_is_not_moved_out_again(cloud: Cloud, recovery: Recovery) -> None:
    """A person changed it meanwhile, and then its first step ran once more."""
    reset_retry_counter_and_move_out.handler(recovery, None)
    changed = {"attributes": {"FW": "3.0"}, "merge": True}
    cloud.iot.update_thing(thingName="dev-1", attributePayload=changed)
    reset_retry_counter_and_move_out.handler(recovery, None)
    assert cloud.attributes()["FW"] == "3.0"


def test_a_run_that_somebody_else_started_is_not_started_again(
    cloud: Cloud, recovery: Recovery
) -> None:
    run, machine = Run.parse(recovery), f"{MACHINES}CoolDown"
    cloud.stepfunctions.start_execution(stateMachineArn=machine, name=run.recovery_id, input="{}")
    assert not executions.start(machine, run)
    runs = cloud.stepfunctions.list_executions(stateMachineArn=machine)["executions"]
    assert [execution["name"] for execution in runs] == [run.recovery_id]


def test_an_execution_gets_its_run_as_input(cloud: Cloud, recovery: Recovery) -> None:
    run, machine = Run.parse(recovery), f"{MACHINES}CoolDown"
    executions.start(machine, run)
    (execution,) = cloud.stepfunctions.list_executions(stateMachineArn=machine)["executions"]
    arn = execution["executionArn"]
    started = cloud.stepfunctions.describe_execution(executionArn=arn)
    assert Run.parse(json.loads(started["input"])) == run


@pytest.mark.parametrize(
    ("age_seconds", "result"), [(-60, "started"), (0, "started"), (60, "started"), (61, "live")]
)
def test_an_execution_that_began_before_the_call_was_under_way_already(
    cloud: Cloud,
    recovery: Recovery,
    fake_time: list[float],
    monkeypatch: pytest.MonkeyPatch,
    age_seconds: int,
    result: str,
) -> None:
    """The clock of Step Functions may be a minute apart from that of the function."""
    began_at = datetime.fromtimestamp(fake_time[0] - age_seconds, UTC)
    monkeypatch.setattr(aws, "call", lambda *_, **__: {"startDate": began_at})
    assert executions.start(f"{MACHINES}CoolDown", Run.parse(recovery)) == result


@pytest.mark.parametrize("ask", [executions.is_live, executions.start])
def test_refusal_for_another_reason_is_raised(
    ask: Callable[[str, Run], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RequestRefusedError("no permission", "AccessDeniedException")

    monkeypatch.setattr(aws, "call", refuse)
    with pytest.raises(RequestRefusedError, match="no permission"):
        ask(f"{MACHINES}cool-down", Run("dev-1", "t-1", 1, "2.27", "retry limit reached"))
