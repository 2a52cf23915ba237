"""Everything at once, in any order and more than once, is counted exactly.

What is exact, and what is not meant to be: a failure that comes while its device cools down is not
counted, by design, since the device is then not being updated. So the failures of the second cycle
are sent when all devices are back; the copies of earlier ones may come whenever they like.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from localcloud import Device, eventually
from localcloud.fleet import MACHINES, Fleet

DEVICES = [f"storm-{number}" for number in range(20)]
LIMIT = 10  # the quickstart's retry_limit, and it has two cycles
COPIES = 3
SEED = 1_711_320_208
ORIGINAL = {"model": "gw:v3", "FW": "2.26"}
THREADS = 8
WAVE = 500
"""Messages under way at most: more than AWS's 1,000 invocations at once would be throttled, and the
intake's retries, which outlast a minute and a half on AWS, last milliseconds here."""


@contextmanager
def _connect_devices(fleet: Fleet) -> Iterator[dict[str, Device]]:
    with ExitStack() as connections:
        yield {name: connections.enter_context(fleet.connect(name)) for name in DEVICES}


def _storm(fleet: Fleet, connections: dict[str, Device], numbers: list[int], seed: int) -> int:
    """Each device sends each of these of its failures, in any order; how many messages that were.

    A device's own connection keeps its order, so the order is drawn once for all, and a few threads
    share the devices: then many messages are under way at any moment.
    """
    order = [(name, number) for name in DEVICES for number in numbers]
    random.Random(seed).shuffle(order)

    def send(own: list[tuple[str, int]]) -> None:
        for name, number in own:
            fleet.publish(connections[name], fleet.message(name, number))

    with ThreadPoolExecutor(THREADS) as pool:
        for wave in range(0, len(order), WAVE):
            at_once = order[wave : wave + WAVE]
            list(pool.map(send, [at_once[thread::THREADS] for thread in range(THREADS)]))
            fleet.settle()
    return len(order)


def _records(fleet: Fleet) -> dict[str, dict[str, Any]]:
    records = fleet.all_records()
    return {name: records[name] for name in DEVICES}


def _have_come_back(fleet: Fleet) -> bool:
    cycles = {
        (record["state"], int(record["ResetRetryCount"])) for record in _records(fleet).values()
    }
    return cycles == {("tracking", 1)}


def test_twenty_failures_each_of_twenty_devices_sent_thrice_count_exactly(
    quickstart: Fleet, figures: list[str]
) -> None:
    fleet, started = quickstart, time.monotonic()
    bad_ends, runs_before = fleet.bad_ends(), {m: len(fleet.runs(m)) for m in MACHINES[1:]}
    for name in DEVICES:
        fleet.add_thing(name, **ORIGINAL)
    first, second = list(range(1, LIMIT + 1)), list(range(LIMIT + 1, 2 * LIMIT + 1))

    with _connect_devices(fleet) as connections:
        # Two copies now, while the first cool-downs begin, and the third when they are over.
        messages = _storm(fleet, connections, first * (COPIES - 1), SEED)
        assert eventually(lambda: _have_come_back(fleet))
        for record in _records(fleet).values():
            assert (record["RetryCounter"], len(record["countedEvents"])) == (0, LIMIT)
        assert {str(fleet.attributes(name)) for name in DEVICES} == {str(ORIGINAL)}

        messages += _storm(fleet, connections, first + second * COPIES, SEED + 1)
        assert eventually(lambda: all("notifiedAt" in r for r in _records(fleet).values()))
        assert eventually(lambda: not fleet.is_running("escalation"))

        # And once more, to devices that are given up.
        records = _records(fleet)
        messages += _storm(fleet, connections, [LIMIT, 2 * LIMIT], SEED + 2)
        assert _records(fleet) == records

    for name, record in records.items():
        assert (record["state"], record["ResetRetryCount"]) == ("failed", 2)
        assert len(record["countedEvents"]) == 2 * LIMIT
        assert fleet.attributes(name) == {"model": "failedtoupdate", "FW": "failedtoupdate"}
        assert fleet.groups(name) == {fleet.outputs["failed_thing_group_name"]}
        assert len(fleet.alerts(name)) == 1
    recoveries = Counter({m: len(fleet.runs(m)) - before for m, before in runs_before.items()})
    assert recoveries == {"cool_down": len(DEVICES), "escalation": len(DEVICES)}
    assert fleet.bad_ends() == bad_ends
    assert fleet.dead_letters() == []
    figures.append(
        f"storm: {len(DEVICES)} devices x {2 * LIMIT} failures x {COPIES} copies"
        f" ({messages} messages): counted exactly {len(DEVICES) * 2 * LIMIT}, one recovery a cycle,"
        f" one notification a device ({time.monotonic() - started:.0f} s)"
    )
