"""Schedules that run in scaled time where that is asked for, and not at all elsewhere."""

from __future__ import annotations

import json
import time
from typing import Any

from localcloud import LocalCloud, eventually
from tests.tools.localcloud.common import ROLE, take


def test_a_rate_is_scaled_like_all_waits() -> None:
    """Five minutes take three seconds; unscaled they are longer than ``take`` waits."""
    with LocalCloud(time_scale=0.01, runs_schedules=True) as cloud:
        started = time.monotonic()
        queue = _schedule(cloud, often="rate(5 minutes)", seldom="rate(1 day)")
        fired = [(take(cloud, queue), time.monotonic() - started) for _ in range(2)]
    (first, at), (second, later) = fired
    assert first == second == {"schedule": "often"}
    assert at > 2.5
    assert later > 5


def test_the_group_counts_what_it_could_not_start() -> None:
    with LocalCloud(time_scale=0.01, runs_schedules=True) as cloud:
        scheduler = cloud.client("scheduler")
        scheduler.create_schedule_group(Name="fleet")
        scheduler.create_schedule(
            Name="in-vain",
            GroupName="fleet",
            ScheduleExpression="rate(1 minute)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": f"arn:aws:lambda:{cloud.region}:{cloud.account_id}:function:none",
                "RoleArn": ROLE,
            },
        )
        cloud.client("cloudwatch").put_metric_alarm(
            AlarmName="failing",
            Namespace="AWS/Scheduler",
            MetricName="TargetErrorCount",
            Dimensions=[{"Name": "ScheduleGroup", "Value": "fleet"}],
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=1,
            Threshold=0,
            ComparisonOperator="GreaterThanThreshold",
        )
        assert eventually(lambda: _state(cloud, "failing") == "ALARM")


def _state(cloud: LocalCloud, alarm: str) -> Any:
    answer = cloud.client("cloudwatch").describe_alarms(AlarmNames=[alarm])
    return answer["MetricAlarms"][0]["StateValue"]


def test_nothing_runs_by_the_clock_elsewhere() -> None:
    with LocalCloud() as cloud:
        assert take(cloud, _schedule(cloud, once="at(2026-01-01T00:00:00)"), 3) is None


def _schedule(cloud: LocalCloud, **expressions: str) -> str:
    """Schedules by name, which send to a queue; its URL."""
    queue: str = cloud.client("sqs").create_queue(QueueName="fired")["QueueUrl"]
    arn = f"arn:aws:sqs:{cloud.region}:{cloud.account_id}:fired"
    for name, expression in expressions.items():
        cloud.client("scheduler").create_schedule(
            Name=name,
            ScheduleExpression=expression,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": arn, "RoleArn": ROLE, "Input": json.dumps({"schedule": name})},
        )
    return queue
