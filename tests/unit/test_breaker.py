"""The breaker: a campaign that is to blame for too many devices is told of, once, and paused."""

import json
from collections.abc import Callable
from math import sqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_retry import alerts, aws, campaigns_table
from firmware_retry import breaker as breakers
from firmware_retry.errors import ReconcileIncompleteError, RequestRefusedError
from firmware_retry.handlers import reconcile_devices, restore_device_attributes
from firmware_retry.settings import Breaker

from .conftest import MACHINES, RETRIES, Cloud, configure
from .journey import MOVED_OUT, Stage, bring

RULE = Breaker(share=0.5, window_seconds=86_400, min_devices=20, pauses=False)
DAY, HOUR = 86_400, 3_600
NOW = "2024-03-24T22:45:00Z"
"""By the clock of the tests."""


# What is too much


@pytest.mark.parametrize(
    ("devices", "total", "least", "is_it"),
    [
        (0, 0, 1, False),
        (1, 1, 1, False),
        (3, 3, 1, False),
        (4, 4, 1, True),
        (3, 3, 20, False),
        (19, 19, 20, False),
        (20, 20, 20, True),
        (20, 24, 20, True),
        (20, 40, 20, False),
        (15, 20, 20, False),
        (15, 20, 10, True),
        (14, 20, 10, False),
        (5_100, 10_000, 20, True),
        (5_050, 10_000, 20, False),
    ],
)
def test_few_devices_are_no_proof(devices: int, total: int, least: int, is_it: bool) -> None:
    rule = Breaker(share=0.5, window_seconds=60, min_devices=least, pauses=False)
    assert breakers.is_too_much(rule, devices, total) is is_it


@given(total=st.integers(1, 5_000), part=st.floats(0, 1), share=st.floats(0.01, 0.99))
def test_it_is_the_lower_end_of_wilsons_interval_that_counts(
    total: int, part: float, share: float
) -> None:
    devices = round(total * part)
    lower = _wilson(devices, total)
    if abs(lower - share) > 1e-9:
        rule = Breaker(share=share, window_seconds=60, min_devices=0, pauses=False)
        assert breakers.is_too_much(rule, devices, total) is (lower >= share)


def _wilson(devices: int, total: int) -> float:
    """The lower end of the 95 % interval, as the books write it."""
    z, found = 1.96, devices / total
    spread = z * sqrt(found * (1 - found) / total + z * z / (4 * total * total))
    return (found + z * z / (2 * total) - spread) / (1 + z * z / total)


def test_a_share_of_one_means_every_device() -> None:
    rule = Breaker(share=1, window_seconds=60, min_devices=20, pauses=False)
    assert breakers.is_too_much(rule, 20, 20)
    assert not breakers.is_too_much(rule, 20, 21)


# In a pass


Use = Callable[..., None]


@pytest.fixture
def breaker(environment: pytest.MonkeyPatch) -> Use:
    """Switches the breaker on."""

    def switch_on(**rule: Any) -> None:
        made = {"share": 0.5, "window_seconds": DAY, "min_devices": 4, "pauses": False, **rule}
        configure(environment, BREAKER=json.dumps(made))

    return switch_on


@pytest.fixture
def use_up(cloud: Cloud, fake_time: list[float]) -> Use:
    """Makes devices that used up a cycle some time ago."""

    def put(devices: int, campaign: str = "2.27", age: float = 0, state: str = "tracking") -> None:
        known = cloud.dynamodb.Table(RETRIES).scan(Select="COUNT")["Count"]
        for number in range(known, known + devices):
            cloud.dynamodb.Table(RETRIES).put_item(
                Item={
                    "deviceId": f"used-{number}",
                    "state": state,
                    "campaign": campaign,
                    "timestamp": NOW,
                    "usedUpAt": int(fake_time[0] - age),
                }
            )

    return put


def reconcile() -> dict[str, int]:
    return reconcile_devices.handler({}, None)


def read_alerts(cloud: Cloud) -> list[dict[str, Any]]:
    return [json.loads(message) for message in cloud.messages()]


def test_one_alert_names_the_campaign(cloud: Cloud, breaker: Use, use_up: Use) -> None:
    breaker()
    use_up(4)
    use_up(1, age=HOUR)
    use_up(3)
    use_up(1, campaign="job-9")
    assert reconcile() == {"tripped": 1}
    (alert,) = read_alerts(cloud)
    assert (alert["event"], alert["campaign"]) == ("campaign_tripped", "2.27")
    assert (alert["devices"], alert["total"], alert["windowSeconds"]) == (8, 9, DAY)
    assert (alert["isPaused"], alert["since"]) == (False, "2024-03-24T21:45:00Z")
    assert cloud.campaign() == {
        "campaign": "2.27",
        "toldAt": NOW,
        "why": "8 of the 9 devices that used up a cycle within 86400 seconds",
    }


def test_operators_are_notified_once(
    cloud: Cloud, breaker: Use, use_up: Use, fake_time: list[float]
) -> None:
    breaker()
    use_up(4)
    reconcile()
    for _ in range(3):
        fake_time[0] += HOUR
        use_up(4)
        assert reconcile() == {}
    assert len(read_alerts(cloud)) == 1


def test_it_may_be_off(cloud: Cloud, use_up: Use) -> None:
    use_up(100)
    assert reconcile() == {}
    assert (read_alerts(cloud), cloud.campaign()) == ([], {})


def test_devices_of_other_campaigns_make_the_share_smaller(
    cloud: Cloud, breaker: Use, use_up: Use
) -> None:
    breaker()
    use_up(10)
    for number in range(10):
        use_up(1, campaign=f"job-{number}")
    assert reconcile() == {}
    assert read_alerts(cloud) == []


def test_a_cycle_before_the_window_does_not_count(cloud: Cloud, breaker: Use, use_up: Use) -> None:
    breaker(window_seconds=HOUR)
    use_up(3)
    use_up(10, age=HOUR + 1)
    assert reconcile() == {}
    use_up(1, age=HOUR)
    assert reconcile() == {"tripped": 1}
    assert [alert["devices"] for alert in read_alerts(cloud)] == [4]


@pytest.mark.parametrize("state", ["tracking", "cooling_down", "failed"])
def test_a_device_counts_in_whatever_state_it_is(
    cloud: Cloud, breaker: Use, use_up: Use, state: str
) -> None:
    breaker()
    use_up(4, state=state)
    assert reconcile() == {"tripped": 1}


def test_a_device_that_used_up_no_cycle_does_not_count(
    cloud: Cloud, breaker: Use, fake_time: list[float]
) -> None:
    breaker(share=0.1, min_devices=1)
    bring(cloud, Stage.TRACKED)
    assert reconcile() == {}


def test_a_device_counts_from_its_move_on_also_when_it_is_back(
    cloud: Cloud, breaker: Use, fake_time: list[float]
) -> None:
    breaker(share=0.1, min_devices=1, window_seconds=2 * DAY)
    recovery = bring(cloud, Stage.COOLING_DOWN)
    fake_time[0] += DAY + HOUR * 3
    restore_device_attributes.handler(recovery, None)
    assert reconcile() == {"tripped": 1}
    assert [alert["since"] for alert in read_alerts(cloud)] == [NOW]


@pytest.mark.parametrize("campaign", ["", "unknown"])
def test_devices_that_name_no_campaign_have_none_in_common(
    cloud: Cloud, breaker: Use, use_up: Use, campaign: str
) -> None:
    breaker(pauses=True)
    use_up(100, campaign=campaign)
    assert reconcile() == {}
    assert read_alerts(cloud) == []


# Pausing


def test_it_pauses_if_it_is_asked_to(cloud: Cloud, breaker: Use, use_up: Use) -> None:
    breaker(pauses=True)
    use_up(4)
    assert reconcile() == {"tripped": 1}
    assert [alert["isPaused"] for alert in read_alerts(cloud)] == [True]
    item = cloud.campaign()
    assert (item["pausedAt"], item["pausedBy"], item["toldAt"]) == (NOW, "breaker", NOW)
    assert item["why"].startswith("4 of the 4 devices")


def test_nobody_comes_back_in_the_very_pass_that_trips(
    cloud: Cloud, breaker: Use, fake_time: list[float]
) -> None:
    breaker(share=0.1, min_devices=1, window_seconds=30 * DAY, pauses=True)
    bring(cloud, Stage.COOLING_DOWN)
    fake_time[0] += 2 * DAY
    assert reconcile() == {"tripped": 1, "held": 1}
    assert cloud.attributes() == MOVED_OUT


def test_what_was_before_it_was_resumed_is_forgiven(
    cloud: Cloud, breaker: Use, use_up: Use, fake_time: list[float]
) -> None:
    breaker(pauses=True)
    use_up(4)
    reconcile()
    fake_time[0] += HOUR
    cloud.resume("2024-03-24T23:45:00Z")
    use_up(3, age=0)  # in the very second
    assert reconcile() == {}
    fake_time[0] += HOUR
    use_up(4)
    assert reconcile() == {"tripped": 1}
    assert [alert["devices"] for alert in read_alerts(cloud)] == [4, 4]
    assert cloud.campaign()["pausedAt"] == "2024-03-25T00:45:00Z"


def test_nothing_is_told_of_what_an_operator_has_paused(
    cloud: Cloud, breaker: Use, use_up: Use
) -> None:
    breaker(pauses=True)
    use_up(4)
    cloud.pause()
    before = cloud.campaign()
    assert reconcile() == {}
    assert (read_alerts(cloud), cloud.campaign()) == ([], before)


# Whatever comes in between


def during_the_telling(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Lets something happen after a campaign was told of, and before that is marked."""
    tell = alerts.notify_campaign_tripped

    def telling(**alert: Any) -> None:
        monkeypatch.setattr(alerts, "notify_campaign_tripped", tell)
        tell(**alert)
        action()

    monkeypatch.setattr(alerts, "notify_campaign_tripped", telling)


def test_a_pass_that_dies_between_telling_and_marking_tells_again(
    cloud: Cloud,
    breaker: Use,
    use_up: Use,
    fake_time: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    breaker(pauses=True)
    use_up(4)

    def die() -> None:
        raise SystemExit

    during_the_telling(monkeypatch, die)
    with pytest.raises(SystemExit):
        reconcile()
    assert cloud.campaign() == {}
    assert reconcile() == {"tripped": 1}
    # Within SNS's five minutes.
    assert len(read_alerts(cloud)) == 1
    assert cloud.campaign()["pausedAt"] == NOW


@pytest.mark.parametrize("pauses", [False, True])
def test_two_passes_at_once_tell_once(
    cloud: Cloud,
    breaker: Use,
    use_up: Use,
    fake_time: list[float],
    monkeypatch: pytest.MonkeyPatch,
    pauses: bool,
) -> None:
    breaker(pauses=pauses)
    use_up(4)

    def other_pass() -> None:
        fake_time[0] += 60
        reconcile()
        fake_time[0] += 60

    during_the_telling(monkeypatch, other_pass)
    assert reconcile() == {"tripped": 1}
    assert len(read_alerts(cloud)) == 1
    assert cloud.campaign()["toldAt"] == "2024-03-24T22:46:00Z"


def test_who_resumes_it_at_that_very_moment_is_not_overruled(
    cloud: Cloud, breaker: Use, use_up: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker(pauses=True)
    cloud.resume("2024-03-24T20:00:00Z")
    use_up(4)
    during_the_telling(monkeypatch, lambda: cloud.resume(NOW))
    reconcile()
    assert cloud.campaign() == {"campaign": "2.27", "resumedAt": NOW}


def test_who_resumes_it_for_the_first_time_then_is_not_overruled_either(
    cloud: Cloud, breaker: Use, use_up: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker(pauses=True)
    use_up(4)
    during_the_telling(monkeypatch, lambda: cloud.resume(NOW))
    reconcile()
    assert cloud.campaign() == {"campaign": "2.27", "resumedAt": NOW}


def test_who_pauses_it_at_that_very_moment_has_paused_it(
    cloud: Cloud, breaker: Use, use_up: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker(pauses=True)
    use_up(4)
    during_the_telling(monkeypatch, cloud.pause)
    reconcile()
    assert cloud.campaign()["pausedBy"] == "operator"


def test_a_breaker_that_cannot_tell_holds_nobody_up(
    cloud: Cloud, breaker: Use, fake_time: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker(share=0.1, min_devices=1)
    bring(cloud, Stage.COOLING_DOWN)
    bring(cloud, Stage.DUE, "dev-2")
    fake_time[0] += HOUR

    def refuse(**_: Any) -> None:
        raise RequestRefusedError("no such topic")

    with monkeypatch.context() as patch:
        patch.setattr(alerts, "notify_campaign_tripped", refuse)
        with pytest.raises(ReconcileIncompleteError):
            reconcile()
    runs = cloud.stepfunctions.list_executions(stateMachineArn=f"{MACHINES}CoolDown")
    assert len(runs["executions"]) == 1
    assert cloud.campaign() == {}
    assert reconcile() == {"tripped": 1, "started": 1}


def test_what_is_known_is_read_as_it_is_now(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    call = aws.call

    def looking(service: str, operation: str, **parameters: Any) -> Any:
        seen.append(parameters)
        return call(service, operation, **parameters)

    monkeypatch.setattr(aws, "call", looking)
    campaigns_table.read_all()
    campaigns_table.is_paused("2.27")
    assert [parameters.get("ConsistentRead") for parameters in seen] == [True, True]
