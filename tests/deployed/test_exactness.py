"""Counts are exact whatever the order, however often a message comes, and all at once."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

from localcloud import eventually
from tests.deployed.fleet import Fleet

COPIES = 3


def _storm(fleet: Fleet, devices: list[str], failures: int) -> None:
    """Every failure of every device three times, in any order, all devices at once."""

    def report(device: str) -> None:
        numbers = [*range(1, failures + 1)] * COPIES
        random.Random(device).shuffle(numbers)
        with fleet.connect(device) as connection:
            for number in numbers:
                fleet.publish(connection, fleet.message(device, number))

    with ThreadPoolExecutor(len(devices)) as pool:
        list(pool.map(report, devices))
    fleet.settle()


def test_each_failure_counts_once(quickstart: Fleet) -> None:
    devices = [f"storm-below-{number}" for number in range(4)]
    for device in devices:
        quickstart.add_thing(device)
    _storm(quickstart, devices, failures=5)
    assert {device: quickstart.counted(device) for device in devices} == dict.fromkeys(devices, 5)
    assert all(not any(quickstart.recoveries(device).values()) for device in devices)


def test_each_device_that_reaches_the_limit_recovers_once(quickstart: Fleet) -> None:
    bad_ends = quickstart.bad_ends()
    devices = [f"storm-limit-{number}" for number in range(3)]
    for device in devices:
        quickstart.add_thing(device)
    _storm(quickstart, devices, failures=10)
    for device in devices:
        record = quickstart.record(device) or {}
        assert len(record["countedEvents"]) == 10
        runs = quickstart.recoveries(device)
        assert (len(runs["cool_down"]), len(runs["escalation"])) == (1, 0)
    assert eventually(lambda: not quickstart.runs("cool_down", "RUNNING"), 30)
    for device in devices:
        record = quickstart.record(device) or {}
        assert (record["state"], record["ResetRetryCount"]) == ("tracking", 1)
        assert record["RetryCounter"] == 0
    assert quickstart.bad_ends() == bad_ends


def test_another_campaign_starts_from_zero(quickstart: Fleet) -> None:
    now = int(time.time() * 1000)

    def fail(firmware: str, seconds_ago: int) -> None:
        sent = str(now - 1000 * seconds_ago)
        quickstart.fail("campaigns", [0], timestamp=sent, FW=firmware)

    quickstart.add_thing("campaigns")
    for seconds_ago in (60, 50, 40):
        fail("2.27", seconds_ago)
    fail("2.28", 30)
    record = quickstart.record("campaigns") or {}
    assert (record["RetryCounter"], record["campaign"]) == (1, "2.28")
    fail("2.27", 45)
    assert quickstart.record("campaigns") == record, "a late message of the campaign before"
