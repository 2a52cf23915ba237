"""The device side of AWS IoT Jobs, over MQTT: it fetches its job, fails, and says why.

https://docs.aws.amazon.com/iot/latest/developerguide/jobs-mqtt-api.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from localcloud import Device
from localcloud.fleet import Fleet

MOST_RETRIES = 10
"""How often AWS IoT Jobs can try again at most, so that an execution has 11 attempts."""


class JobDevice:
    """One device with its own connection; it takes one job execution after the other."""

    def __init__(self, connection: Device) -> None:
        self.connection = connection
        self._topics = f"$aws/things/{connection.client_id}/jobs"
        connection.subscribe(f"{self._topics}/start-next/accepted")
        connection.subscribe(f"{self._topics}/+/update/accepted")

    def take(self) -> str | None:
        """Takes the next job execution: from now on its timeout runs.

        Returns:
            The job's id, None if there was no execution.
        """
        self.connection.publish(f"{self._topics}/start-next", {})
        _, answer = self.connection.receive()
        execution = answer.get("execution")
        return str(execution["jobId"]) if execution else None

    def attempt(self, status: str = "FAILED", **details: str) -> bool:
        """Takes the next job execution, if there is one, and reports how it ended.

        Returns:
            Whether there was one.
        """
        job = self.take()
        if job is None:
            return False
        report = {"status": status, "statusDetails": details}
        self.connection.publish(f"{self._topics}/{job}/update", report)
        self.connection.receive()
        return True

    def fail_until_none_is_left(self) -> int:
        """Fails each attempt that it is offered; how many there were."""
        return sum(1 for _ in iter(self.attempt, False))


@contextmanager
def updating(
    fleet: Fleet, device: str, job: str, query: str, **options: Any
) -> Iterator[JobDevice]:
    """A dynamic thing group and a continuous job for it, as an update is rolled out.

    Args:
        fleet: whose account.
        device: the group holds this device only.
        job: the job's id; the group is called the same.
        query: which devices are to be updated.
        options: further parameters of CreateJob.

    Yields:
        The ``JobDevice``.
    """
    iot = fleet.client("iot")
    iot.update_indexing_configuration(thingIndexingConfiguration={"thingIndexingMode": "REGISTRY"})
    group = iot.create_dynamic_thing_group(
        thingGroupName=job, queryString=f"thingName:{device} AND {query}"
    )
    criteria = [{"failureType": "ALL", "numberOfRetries": MOST_RETRIES}]
    iot.create_job(
        jobId=job,
        targets=[group["thingGroupArn"]],
        targetSelection="CONTINUOUS",
        document=json.dumps({"firmware": "2.28"}),
        jobExecutionsRetryConfig={"criteriaList": criteria},
        **options,
    )
    try:
        with fleet.connect(device) as connection:
            yield JobDevice(connection)
    finally:
        iot.delete_job(jobId=job, force=True)
        iot.delete_dynamic_thing_group(thingGroupName=job)
