"""The quotas of AWS, and the buckets that hold an account to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pricing.quotas import QUOTAS, Account, Bucket, Quota


def test_a_bucket_grants_its_rate_and_after_a_rest_its_burst() -> None:
    bucket = Bucket(Quota(rate=3, burst=10, page=""), tick=1)
    bucket.begin(0)
    assert bucket.take(20) == 10
    bucket.begin(1)
    assert bucket.take(20) == 3
    bucket.begin(100)
    assert bucket.take(20) == 10
    bucket.begin(101)
    assert (bucket.highest_demand, bucket.highest_served, bucket.refused) == (20, 10, 37)


def test_a_table_grows_to_twice_of_what_was_used_half_an_hour_before() -> None:
    bucket = Bucket(Quota(rate=100, burst=100, page="", grows=True), tick=1)
    for second, granted in ((0, 100), (1799, 100), (1800, 200)):
        bucket.begin(second)
        assert bucket.take(1000) == granted, second


def test_a_call_takes_all_that_it_needs() -> None:
    account = Account({"a": Quota(10, 10, ""), "b": Quota(6, 6, "")})
    account.begin(0)
    assert account.take((("a", 1), ("b", 2)), 8) == 3
    assert account.take((("unknown", 1),), 8) == 8


def test_one_item_takes_what_one_partition_does_and_no_more() -> None:
    assert (QUOTAS["read.campaigns"].rate, QUOTAS["read.campaigns"].grows) == (3000, False)


@pytest.mark.parametrize(
    ("quota", "said"),
    [
        ("iot.update_thing", "| `UpdateThing` | {:,.0f} a second"),
        ("sns.publish", "| FIFO topic | {:,.0f} messages a second"),
        ("stepfunctions.describe_execution", "| looks at a run | {:,.0f} a second"),
        ("states.start_express", "| starts a second | {:,.0f} Express"),
        ("stepfunctions.start_execution", " {:,.0f} Standard* after a burst"),
    ],
)
def test_the_page_of_limits_names_the_same_quotas(quota: str, said: str) -> None:
    page = (Path(__file__).parents[3] / "docs" / "limits.md").read_text()
    assert said.format(QUOTAS[quota].rate) in page
