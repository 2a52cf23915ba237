"""Schedules that run in scaled time, where that is asked for."""

from __future__ import annotations

import json
import time

from localcloud import LocalCloud
from tests.localcloud.common import ROLE, take


def test_a_rate_is_scaled_like_all_waits() -> None:
    with LocalCloud(time_scale=0.01, has_scaled_schedules=True) as cloud:
        sqs = cloud.client("sqs")
        queue = sqs.create_queue(QueueName="fired")["QueueUrl"]
        arn = f"arn:aws:sqs:{cloud.region}:{cloud.account_id}:fired"
        started = time.monotonic()
        for name, rate in (("often", "5 minutes"), ("seldom", "1 day")):
            cloud.client("scheduler").create_schedule(
                Name=name,
                ScheduleExpression=f"rate({rate})",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={"Arn": arn, "RoleArn": ROLE, "Input": json.dumps({"schedule": name})},
            )
        fired = [(take(cloud, queue, 8), time.monotonic() - started) for _ in range(2)]
    (first, at), (second, later) = fired
    assert first == second == {"schedule": "often"}
    assert 2.5 < at < 4.5
    assert at + 2.5 < later
