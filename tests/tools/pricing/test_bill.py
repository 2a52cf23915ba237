"""The bill: what is counted times what it costs, and nothing that is counted goes unpaid."""

from __future__ import annotations

import pytest

from pricing import bill
from pricing.bill import Usage
from pricing.prices import MILLION, PRICES


def test_every_unit_has_a_price_and_every_price_a_unit() -> None:
    assert Usage().counts().keys() == PRICES.keys()


@pytest.mark.parametrize("name", PRICES)
def test_every_price_says_where_it_is_from(name: str) -> None:
    price = PRICES[name]
    assert price.dollars > 0
    assert price.per > 0
    assert price.page.startswith("https://aws.amazon.com/")


def test_nothing_costs_nothing() -> None:
    assert Usage().dollars() == 0
    assert Usage().costs() == {}


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (Usage(standard_transitions=MILLION), 25.00),
        (Usage(express_requests=MILLION), 1.00),
        (Usage(express_gb_seconds=3600), 0.06),
        (Usage(lambda_invocations=MILLION), 0.20),
        (Usage(lambda_gb_seconds=1), 0.0000133334),
        (Usage(write_units=MILLION), 0.625),
        (Usage(read_units=MILLION), 0.125),
        (Usage(registry_operations=MILLION), 1.25),
        (Usage(mails=100_000), 2.00),
        (Usage(log_bytes=1e9), 0.50),
    ],
)
def test_a_unit_costs_its_list_price(usage: Usage, dollars: float) -> None:
    assert usage.dollars() == pytest.approx(dollars)


def test_bills_add_up_and_multiply() -> None:
    first = Usage(standard_transitions=7, write_units=2)
    second = Usage(write_units=1, mails=1)
    assert first + second == Usage(standard_transitions=7, write_units=3, mails=1)
    assert first - second == Usage(standard_transitions=7, write_units=1, mails=-1)
    assert 3 * first == first * 3 == Usage(standard_transitions=21, write_units=6)
    assert (first + second).dollars() == pytest.approx(first.dollars() + second.dollars())


def test_the_services_are_told_dearest_first() -> None:
    usage = Usage(write_units=1, standard_transitions=1, express_requests=1)
    services = usage.by_service()
    assert list(services) == ["Step Functions", "DynamoDB"]
    assert sum(services.values()) == pytest.approx(usage.dollars())


@pytest.mark.parametrize(
    ("seconds", "megabytes", "gb_seconds"),
    [
        (0.3, 64, 0.3 / 16),
        (0.301, 64, 0.4 / 16),
        (0.001, 1, 0.1 / 16),
        (0.3, 65, 0.3 / 8),
        (0.7, 64, 0.7 / 16),
    ],
)
def test_an_express_run_is_billed_by_100_ms_and_64_mb(
    seconds: float, megabytes: float, gb_seconds: float
) -> None:
    run = bill.express_runs(2, seconds, megabytes)
    assert run.express_requests == 2
    assert run.express_gb_seconds == pytest.approx(2 * gb_seconds)


@pytest.mark.parametrize(("seconds", "gb_seconds"), [(0.05, 0.00625), (0.0501, 0.006375)])
def test_an_invocation_is_billed_by_the_millisecond(seconds: float, gb_seconds: float) -> None:
    invocation = bill.invocations(1, seconds, 128)
    assert invocation.lambda_invocations == 1
    assert invocation.lambda_gb_seconds == pytest.approx(gb_seconds)


@pytest.mark.parametrize(("calls", "seconds"), [(2, 0.05), (5, 0.05), (82, 0.82)])
def test_a_pass_takes_as_long_as_its_calls(calls: int, seconds: float) -> None:
    usage = bill.price_pass(calls, 1024)
    assert (usage.schedule_invocations, usage.lambda_invocations) == (1, 1)
    assert usage.lambda_gb_seconds == pytest.approx(seconds)


def test_the_originals_transitions_and_invocations_cost_what_was_told_of_them() -> None:
    """$0.00329 with its DynamoDB calls, most of it the 130 transitions."""
    usage = Usage(standard_transitions=130) + bill.invocations(47)
    assert 0.00325 < usage.dollars() < 0.00329
