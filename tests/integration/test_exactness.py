"""Another campaign starts from zero. That counts are exact otherwise is in ``test_storms``."""

from __future__ import annotations

import time

from localcloud.fleet import Fleet


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
