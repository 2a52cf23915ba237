"""Operators are notified of everything, in few mails: MailOperators on the FIFO topic."""

import itertools
import json
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer

from firmware_retry import alerts, aws, emails
from firmware_retry.emails import Mail
from firmware_retry.errors import NoSubscriberError, RequestRefusedError, TransientError
from firmware_retry.handlers import (
    clear_device_record,
    mail_operators,
    reset_retry_count_to_failed_update,
    send_sns_notification,
)
from fleet_retry import cli

from .conftest import GROUP, REGION, Cloud, Operators, configure, success
from .journey import ORIGINAL, Stage, begin, bring, use_up_a_cycle

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/operations/alert.schema.json").read_text())
ALERT = {
    "version": 2,
    "event": "failed",
    "fleet": "",
    "deviceId": "dev-1",
    "model": "wo:v8",
    "firmware": "2.26",
    "campaign": "job-1",
    "reason": "E_FLASH",
    "cycles": 2,
    "startedAt": "2026-11-23T05:21:00Z",
    "failedAt": "2026-11-24T05:21:00Z",
    "attributes": {"model": "wo:v8", "FW": "2.26"},
    "failedAttributes": {"model": "failedtoupdate", "FW": "failedtoupdate"},
    "thingGroup": "FailedToUpdate",
    "recoveryId": "x-2",
}
HEALED = ALERT | {"event": "healed", "healedAt": "2026-11-25T05:21:00Z"}
TRIPPED: dict[str, Any] = {
    "campaign": "release of May",
    "devices": 20,
    "total": 25,
    "window_seconds": 86400,
    "is_paused": True,
    "since": "2026-11-24T05:21:00Z",
}
THRESHOLD = 2
_NUMBERS = itertools.count()


@pytest.fixture(autouse=True)
def threshold(operators: Operators, environment: pytest.MonkeyPatch) -> None:
    configure(environment, ALERT_DIGEST_THRESHOLD=str(THRESHOLD))


class LittleTimeLeft:
    """Lambda's context of a function whose time is over after so many looks at it."""

    def __init__(self, looks: int) -> None:
        self._looks = looks

    def get_remaining_time_in_millis(self) -> int:
        self._looks -= 1
        return 300_000 if self._looks >= 0 else 30_000


def mail(context: object = None) -> dict[str, int]:
    return mail_operators.handler({}, context)


def tell(cloud: Cloud, *alerts_: dict[str, Any] | str) -> None:
    """Publishes messages as the module does, or others."""
    for alert in alerts_:
        body = alert if isinstance(alert, str) else json.dumps(alert)
        group = alert.get("deviceId", "none") if isinstance(alert, dict) else "none"
        cloud.sns.publish(
            TopicArn=f"arn:aws:sns:{REGION}:123456789012:FailedFirmwareUpdate.fifo",
            Message=body,
            MessageGroupId=group,
            MessageDeduplicationId=str(next(_NUMBERS)),
        )


def spy(monkeypatch: pytest.MonkeyPatch, wanted: str) -> list[dict[str, Any]]:
    """The parameters of all calls of an operation from now on."""
    seen: list[dict[str, Any]] = []
    call = aws.call

    def spying(service: str, operation: str, **parameters: Any) -> Any:
        if operation == wanted:
            seen.append(parameters)
        return call(service, operation, **parameters)

    monkeypatch.setattr(aws, "call", spying)
    return seen


def devices(number: int, **more: Any) -> list[dict[str, Any]]:
    return [ALERT | {"deviceId": f"dev-{n}"} | more for n in range(number)]


# What is published


def test_what_is_published_is_as_the_schema_says(cloud: Cloud) -> None:
    bring(cloud, Stage.NOTIFIED)
    clear_device_record.handler(success(200), None)
    alerts.notify_campaign_tripped(**TRIPPED)
    alerts.notify_group_refilled("group-1", 71, is_replaced=True)
    published = [json.loads(message) for message in cloud.messages()]
    events = ["failed", "healed", "campaign_tripped", "failed_group_refilled"]
    assert [alert["event"] for alert in published] == events
    for alert in published:
        jsonschema.validate(alert, SCHEMA)


def test_the_schema_wants_what_the_mails_need(cloud: Cloud) -> None:
    for alert in (ALERT, HEALED):
        jsonschema.validate(alert, SCHEMA)
        for name in alert.keys() - {"version", "event", "fleet"}:
            without = {key: value for key, value in alert.items() if key != name}
            assert emails.read(json.dumps(alert))
            assert not emails.read(json.dumps(without))
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(without, SCHEMA)


def test_subscribers_filter_on_attributes_that_all_have_a_value(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SNS refuses an empty one; nobody said why this device failed."""
    published = spy(monkeypatch, "publish")
    bring(cloud, Stage.NOTIFIED)
    assert published[0]["MessageAttributes"] == {
        name: {"DataType": "String", "StringValue": value}
        for name, value in {
            "event": "failed",
            "version": "2",
            "campaign": "2.27",
            "model": "wo:v8",
            "firmware": "2.26",
        }.items()
    }
    assert published[0]["MessageGroupId"] == "dev-1"


def test_fleets_that_share_a_topic_are_told_apart(
    cloud: Cloud, environment: pytest.MonkeyPatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = spy(monkeypatch, "publish")
    alerts.notify_campaign_tripped(**TRIPPED)
    configure(environment, NAME_PREFIX="fleet-a-")
    alerts.notify_campaign_tripped(**TRIPPED)
    fleets = [
        (json.loads(call["Message"])["fleet"], call["MessageAttributes"].get("fleet"))
        for call in published
    ]
    assert fleets == [("", None), ("fleet-a-", {"DataType": "String", "StringValue": "fleet-a-"})]
    # Else SNS would take the second for a copy of the first.
    assert len({call["MessageDeduplicationId"] for call in published}) == 2


def test_a_fleet_that_sets_a_marker_learns_model_and_firmware_too(
    cloud: Cloud, environment: pytest.MonkeyPatch
) -> None:
    configure(environment, FAILED_ATTRIBUTES='{"firmwareRetry": "failed"}', COOL_DOWN_SECONDS="[]")
    configure(environment, MOVE_OUT_ATTRIBUTES='{"firmwareRetry": "coolingDown"}')
    cloud.create_thing("dev-1", model="gw:v3", FW="1.0")
    begin()
    recovery = use_up_a_cycle()
    reset_retry_count_to_failed_update.handler(recovery, None)
    send_sns_notification.handler(recovery, None)
    (message,) = map(json.loads, cloud.messages())
    assert (message["model"], message["firmware"]) == ("gw:v3", "1.0")
    assert message["attributes"]["firmwareRetry"] is None


def test_a_campaign_that_trips_is_told_once_for_each_time(cloud: Cloud) -> None:
    for since in ("2026-11-24T05:21:00Z", "2026-11-24T05:21:00Z", "2026-11-25T05:21:00Z"):
        alerts.notify_campaign_tripped(**TRIPPED | {"since": since})
    alerts.notify_campaign_tripped(**TRIPPED | {"campaign": "another"})
    told = [json.loads(message) for message in cloud.messages()]
    assert [(alert["campaign"], alert["since"][:10]) for alert in told] == [
        ("release of May", "2026-11-24"),
        ("release of May", "2026-11-25"),
        ("another", "2026-11-24"),
    ]


# One device


def test_one_device_is_one_clear_mail(cloud: Cloud, operators: Operators) -> None:
    tell(cloud, ALERT)
    assert mail() == {"mails": 1, "devices": 1}
    (email,) = operators.mails()
    assert email.subject == "Firmware update failed: dev-1"
    for fact in (
        "Device:          dev-1\n",
        "Model:           wo:v8\n",
        "Firmware:        2.26\n",
        "Campaign:        job-1\n",
        "Reason:          E_FLASH\n",
        "Cycles:          2\n",
        "First failure:   2026-11-23T05:21:00Z\n",
        "Failed for good: 2026-11-24T05:21:00Z\n",
        "  FW: 2.26 -> failedtoupdate\n",
        "thing group FailedToUpdate",
        f"  fleet-retry release --region {REGION} -- dev-1\n",
        f"https://{REGION}.console.aws.amazon.com/iot/home?region={REGION}#/thing/dev-1\n",
    ):
        assert fact in email.text
    assert operators.waiting() == 0
    assert mail() == {}


def test_its_command_names_the_deployment(
    cloud: Cloud, operators: Operators, environment: pytest.MonkeyPatch
) -> None:
    configure(environment, NAME_PREFIX="fleet-a-")
    tell(cloud, ALERT)
    mail()
    command = f"fleet-retry release --prefix fleet-a- --region {REGION} -- dev-1"
    assert f"  {command}\n" in operators.mails()[0].text


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws", "eu-west-1", "eu-west-1.console.aws.amazon.com"),
        ("aws-us-gov", "us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("aws-eusc", "eusc-de-east-1", "eusc-de-east-1.console.amazonaws-eusc.eu"),
        ("aws-cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"),
    ],
)
def test_its_link_leads_to_the_console_of_the_partition(
    environment: pytest.MonkeyPatch, partition: str, region: str, host: str
) -> None:
    topic = f"arn:{partition}:sns:{region}:123456789012:alerts.fifo"
    configure(environment, ALERTS_TOPIC_ARN=topic)
    assert emails.console_link("a:b_c") == (
        f"https://{host}/iot/home?region={region}#/thing/a%3Ab_c"
    )


def test_what_nobody_knows_is_said_to_be_unknown(cloud: Cloud, operators: Operators) -> None:
    attributes = {"attributes": {"model": "x", "FW": None}}
    tell(cloud, ALERT | {"reason": "", "model": "", "firmware": ""} | attributes)
    mail()
    (email,) = operators.mails()
    assert re.search(r"Model: +unknown\nFirmware: +unknown\n", email.text)
    assert re.search(r"Reason: +unknown\n", email.text)
    assert "  FW: none -> failedtoupdate\n" in email.text


def test_a_device_that_healed_says_when_it_had_failed(cloud: Cloud, operators: Operators) -> None:
    tell(cloud, HEALED)
    mail()
    (email,) = operators.mails()
    assert email.subject == "Firmware update succeeded after all: dev-1"
    assert "nothing is left to do" in email.text
    assert "2026-11-25T05:21:00Z" in email.text
    assert "Failed for good: 2026-11-24T05:21:00Z\n" in email.text


@pytest.mark.parametrize(
    ("told", "subject"),
    [
        ((ALERT, HEALED), "Firmware update succeeded after all: dev-1"),
        ((ALERT, HEALED, ALERT), "Firmware update failed: dev-1"),
    ],
)
def test_of_a_device_that_failed_and_healed_the_last_is_told(
    cloud: Cloud, operators: Operators, told: tuple[dict[str, Any], ...], subject: str
) -> None:
    tell(cloud, *told)
    assert mail() == {"mails": 1, "devices": 1}
    assert [email.subject for email in operators.mails()] == [subject]
    assert operators.waiting() == 0


def test_a_subject_is_as_short_and_plain_as_sns_wants_it() -> None:
    of_device = emails.device_mail(ALERT | {"deviceId": "d" * 128})
    of_campaign = emails.campaign_mail(_tripped(campaign="Überfall\n" + "x" * 128))
    for email in (of_device, of_campaign):
        assert re.fullmatch(r"[A-Z][ -~]{0,98}", email.subject)
    longest = 99 - len(emails.device_mail(ALERT | {"deviceId": ""}).subject)
    for length, is_shortened in ((longest, False), (longest + 1, True)):
        subject = emails.device_mail(ALERT | {"deviceId": "d" * length}).subject
        assert (len(subject), subject.endswith("d...")) == (99, is_shortened)


def test_a_reason_longer_than_300_characters_is_shortened() -> None:
    for length, is_shortened in ((300, False), (301, True)):
        text = emails.device_mail(ALERT | {"reason": "r" * length}).text
        assert ("r" * 300 + "…" in text) == is_shortened


# Operators who cannot get it


def test_without_a_confirmed_subscription_all_alerts_wait(
    cloud: Cloud, operators: Operators, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SNS accepts e-mail that it sends to nobody."""
    operators.confirm(0)
    tell(cloud, ALERT, "unreadable")
    published = spy(monkeypatch, "publish")
    with pytest.raises(NoSubscriberError, match="people"):
        mail()
    assert published == []
    assert operators.waiting() == 2


def test_no_alert_is_received_before_a_subscription_is_confirmed(
    cloud: Cloud, operators: Operators
) -> None:
    """SQS leaves out of the age of the oldest message those that were received three times."""
    operators.confirm(0)
    with pytest.raises(NoSubscriberError):
        mail()
    assert "sqs.receive_message" not in cloud.calls


def test_one_confirmed_subscription_is_enough(cloud: Cloud, operators: Operators) -> None:
    operators.confirm(1)
    tell(cloud, *devices(THRESHOLD))
    assert mail() == {"mails": THRESHOLD, "devices": THRESHOLD}
    assert cloud.calls.count("sns.get_topic_attributes") == 1


def test_where_subscriptions_must_not_be_counted_all_alerts_wait(
    cloud: Cloud, operators: Operators, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The boundary of a role, or another account's topic, may allow it to publish and no more."""
    call = aws.call

    def refuse(service: str, operation: str, **parameters: Any) -> Any:
        if operation == "get_topic_attributes":
            raise RequestRefusedError("AuthorizationError")
        return call(service, operation, **parameters)

    monkeypatch.setattr(aws, "call", refuse)
    tell(cloud, ALERT)
    with pytest.raises(RequestRefusedError):
        mail()
    assert operators.waiting() == 1


# Many devices


def test_up_to_the_threshold_each_device_has_its_mail(cloud: Cloud, operators: Operators) -> None:
    tell(cloud, *devices(THRESHOLD))
    assert mail() == {"mails": THRESHOLD, "devices": THRESHOLD}
    subjects = [email.subject for email in operators.mails()]
    assert subjects == ["Firmware update failed: dev-0", "Firmware update failed: dev-1"]


def test_more_share_one_digest_that_names_each(cloud: Cloud, operators: Operators) -> None:
    tell(cloud, *devices(16, reason="E_NET", firmware="2.25"))
    tell(cloud, *(HEALED | {"deviceId": f"dev-{number}"} for number in range(16, 20)))
    assert mail() == {"mails": 1, "devices": 20}
    (email,) = operators.mails()
    assert email.subject == "Firmware updates of 20 devices: 16 failed, 4 healed"
    assert "of 16 devices failed for good" in email.text
    assert "of 4 devices that had failed succeeded after all" in email.text
    assert "By firmware:\n      16 2.25\n" in email.text
    assert "Commonest reasons:\n      16 E_NET\n" in email.text
    assert f"  fleet-retry list --region {REGION} --state failed\n" in email.text
    assert f"  fleet-retry release --region {REGION} --file devices.txt\n" in email.text
    assert email.text.count("console.aws.amazon.com") == 5
    lines = email.text.splitlines()
    assert [lines.count(f"dev-{number}") for number in range(20)] == [1] * 20
    assert operators.waiting() == 0


def test_a_device_that_heals_after_a_storm_is_told_of_after_it(
    cloud: Cloud, operators: Operators
) -> None:
    """SQS returns no second alert of a device before the first is deleted."""
    tell(cloud, *devices(12), HEALED | {"deviceId": "dev-0"})
    mail()
    mail()
    assert [email.subject for email in operators.mails()] == [
        "Firmware updates of 12 devices: 12 failed",
        "Firmware update succeeded after all: dev-0",
    ]
    assert operators.waiting() == 0


def test_a_threshold_of_zero_makes_a_digest_of_one(
    cloud: Cloud, operators: Operators, environment: pytest.MonkeyPatch
) -> None:
    configure(environment, ALERT_DIGEST_THRESHOLD="0")
    tell(cloud, ALERT)
    mail()
    (email,) = operators.mails()
    assert email.subject == "Firmware updates of 1 device: 1 failed"
    assert "succeeded after all" not in email.text


def test_digest_of_healed_devices_mentions_no_failure(
    cloud: Cloud, operators: Operators, environment: pytest.MonkeyPatch
) -> None:
    configure(environment, ALERT_DIGEST_THRESHOLD="0")
    tell(cloud, HEALED)
    mail()
    (email,) = operators.mails()
    assert email.subject == "Firmware updates of 1 device: 1 healed"
    assert email.text.startswith("The firmware update of 1 device that had failed succeeded")


def test_of_many_kinds_the_rest_is_counted(cloud: Cloud, operators: Operators) -> None:
    reasons = ["E_A"] * 4 + ["E_B", "E_C", "E_D", "E_E", "E_F", "E_G"]
    tell(cloud, *(ALERT | {"deviceId": f"dev-{n}", "reason": r} for n, r in enumerate(reasons)))
    mail()
    (email,) = operators.mails()
    of_reasons = email.text.partition("Commonest reasons:\n")[2].partition("\n\n")[0]
    assert of_reasons.splitlines()[0] == "       4 E_A"
    assert of_reasons.splitlines()[-1] == "       2 others (2)"
    assert len(of_reasons.splitlines()) == 6


@pytest.mark.parametrize(("number", "digests"), [(24, [12, 12]), (25, [12, 12, 1])])
def test_what_follows_a_digest_in_the_same_pass_is_no_mail_each(
    cloud: Cloud,
    operators: Operators,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    digests: list[int],
) -> None:
    monkeypatch.setattr(emails, "MOST_DEVICES", 12)
    tell(cloud, *devices(number))
    assert mail() == {"mails": len(digests), "devices": number}
    named = [re.findall(r"^dev-\d+$", email.text, re.MULTILINE) for email in operators.mails()]
    assert list(map(len, named)) == digests


def test_a_storm_that_lasts_is_one_digest_a_pass(
    cloud: Cloud, operators: Operators, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each mail that is sent gives three more devices the time to fail."""
    call, storm = aws.call, iter(devices(18))

    def storming(service: str, operation: str, **parameters: Any) -> Any:
        answer = call(service, operation, **parameters)
        if (service, operation) == ("sns", "publish"):
            tell(cloud, *itertools.islice(storm, 3))
        return answer

    monkeypatch.setattr(aws, "call", storming)
    tell(cloud, *itertools.islice(storm, 9))
    passes = [mail() for _ in range(4)]
    assert passes == [{"mails": 1, "devices": 9}] + 3 * [{"mails": 1, "devices": 3}]
    assert len(operators.mails()) == 4


def test_the_largest_digest_is_within_what_sns_takes() -> None:
    longest = {
        "reason": "r" * 600,
        "model": "m" * 800,
        "firmware": "f" * 800,
        "campaign": "c" * 128,
    }
    named = [f"{n:04}".ljust(128, "x") for n in range(emails.MOST_DEVICES)]
    kinds = [{key: f"{n}{value}" for key, value in longest.items()} for n in range(len(named))]
    half = emails.MOST_DEVICES // 2
    many = [
        (ALERT if n < half else HEALED) | kinds[n] | {"deviceId": named[n]}
        for n in range(len(named))
    ]
    assert len(emails.digest_mail(many).text.encode()) < 200_000


def test_the_commands_are_those_of_the_tool(environment: pytest.MonkeyPatch) -> None:
    configure(environment, NAME_PREFIX="fleet-a-")
    written = [
        emails.device_mail(ALERT | {"deviceId": "-dev"}),
        emails.digest_mail(devices(3)),
        emails.campaign_mail(_tripped(campaign="--2.27")),
        emails.campaign_mail(_tripped(campaign="--2.27", isPaused=False)),
    ]
    tool = typer.main.get_command(cli.app)
    assert isinstance(tool, typer.core.TyperGroup)
    found = re.findall(
        r"^  fleet-retry (.+)$", "\n".join(email.text for email in written), re.MULTILINE
    )
    used, named = set(), set()
    for command in found:
        name, *words = shlex.split(command)
        used.add(name)
        with tool.commands[name].make_context(name, words) as read:
            assert (read.params["prefix"], read.params["region"]) == ("fleet-a-", REGION)
            named |= {*read.params.get("device", ()), read.params.get("campaign")}
    assert used == {"release", "list", "pause", "resume"}
    assert named == {"-dev", "--2.27", None}


# Campaigns, and what nobody can read


def _tripped(**more: Any) -> dict[str, Any]:
    return {
        "version": 2,
        "event": "campaign_tripped",
        "campaign": "release of May",
        "devices": 20,
        "total": 25,
        "windowSeconds": 86400,
        "isPaused": True,
        "since": "2026-11-24T05:21:00Z",
        **more,
    }


@pytest.mark.parametrize(
    ("is_paused", "consequence", "command"),
    [
        (
            True,
            "Its devices are held back",
            f"fleet-retry resume --region {REGION} -- 'release of May'",
        ),
        (
            False,
            "Its devices go on as before",
            f"fleet-retry pause --region {REGION} -- 'release of May'",
        ),
    ],
)
def test_a_campaign_is_told_first_and_on_its_own(
    cloud: Cloud, operators: Operators, is_paused: bool, consequence: str, command: str
) -> None:
    tell(cloud, *devices(6))
    alerts.notify_campaign_tripped(**TRIPPED | {"is_paused": is_paused})
    assert mail() == {"mails": 2, "devices": 6, "campaigns": 1}
    first, second = operators.mails()
    assert first.subject == "Firmware campaign fails: release of May"
    assert "20 of the 25 devices" in first.text
    assert consequence in first.text
    assert f"  {command}\n" in first.text
    assert second.subject.startswith("Firmware updates of 6 devices")
    assert operators.waiting() == 0


@pytest.mark.parametrize(
    ("is_replaced", "cause"), [(True, "was replaced: deleted and"), (False, "was emptied.")]
)
def test_refilled_group_has_an_email_of_its_own(
    cloud: Cloud, operators: Operators, is_replaced: bool, cause: str
) -> None:
    for _ in range(2):
        alerts.notify_group_refilled("group-1", 71, is_replaced=is_replaced)
    assert mail() == {"mails": 1}
    (received,) = operators.mails()
    assert received.subject == "Missing from the failed group: 71 failed devices"
    assert f"The thing group {GROUP} {cause}" in received.text
    assert "They were not released" in received.text
    assert f"  fleet-retry release --region {REGION} --state failed\n" in received.text
    assert operators.waiting() == 0


UNREADABLE = [
    "no JSON",
    "[]",
    "{}",
    json.dumps(ALERT | {"version": 1}),
    json.dumps(ALERT | {"event": "exploded"}),
    json.dumps(ALERT | {"cycles": "two"}),
    json.dumps(ALERT | {"deviceId": "no thing's name; rm"}),
    json.dumps({key: value for key, value in ALERT.items() if key != "reason"}),
]


@pytest.mark.parametrize("body", UNREADABLE)
def test_an_alert_that_cannot_be_read_is_logged_and_mailed_unchanged(
    cloud: Cloud, operators: Operators, caplog: pytest.LogCaptureFixture, body: str
) -> None:
    tell(cloud, body, ALERT)
    assert mail() == {"mails": 2, "devices": 1, "unreadable": 1}
    unreadable, readable = operators.mails()
    assert unreadable.subject == "1 alert on firmware updates could not be read"
    assert body in unreadable.text
    assert readable.subject == "Firmware update failed: dev-1"
    (line,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert line.__dict__["alert"] == body
    assert operators.waiting() == 0


def test_long_ones_and_many_are_shortened(cloud: Cloud) -> None:
    email = emails.unreadable_mail(["x" * 200_000] * 1000)
    assert email.subject == "1000 alerts on firmware updates could not be read"
    assert len(email.text) < 25_000
    assert "the first 20" in email.text


def test_up_to_20_are_all_shown(cloud: Cloud) -> None:
    email = emails.unreadable_mail(["no JSON"] * 20)
    assert email.text.count("no JSON") == 20
    assert "the first" not in email.text


# Nothing is dropped, and nothing is told for ever


def test_what_cannot_be_mailed_stays(
    cloud: Cloud, operators: Operators, environment: pytest.MonkeyPatch
) -> None:
    configure(environment, OPERATOR_TOPIC_ARN=f"arn:aws:sns:{REGION}:123456789012:deleted")
    tell(cloud, *devices(4))
    with pytest.raises(RequestRefusedError):
        mail()
    assert operators.waiting() == 4


def test_a_death_between_mailing_and_deleting_tells_again(
    cloud: Cloud, operators: Operators, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(cloud, ALERT)
    call = aws.call

    def dying(service: str, operation: str, **parameters: Any) -> Any:
        if operation == "delete_message_batch":
            raise TransientError("died")
        return call(service, operation, **parameters)

    with monkeypatch.context() as patch:
        patch.setattr(aws, "call", dying)
        with pytest.raises(TransientError):
            mail()
    assert len(operators.mails()) == 1
    assert operators.waiting() == 1


def test_a_mailed_alert_that_cannot_be_deleted_is_logged(
    cloud: Cloud, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(cloud, ALERT)
    call = aws.call

    def failing(service: str, operation: str, **parameters: Any) -> Any:
        answer = call(service, operation, **parameters)
        return {"Failed": [{"Id": "0"}]} if operation == "delete_message_batch" else answer

    monkeypatch.setattr(aws, "call", failing)
    mail()
    assert "mailed letters stay: mailed again" in caplog.messages


def test_a_pass_ends_in_time_and_leaves_the_rest_for_the_next(
    cloud: Cloud, operators: Operators
) -> None:
    tell(cloud, *devices(15))
    assert mail(LittleTimeLeft(1)) == {"mails": 1, "devices": 10}
    assert (len(operators.mails()), operators.waiting()) == (1, 5)
    assert mail(LittleTimeLeft(0)) == {}
    assert operators.waiting() == 5
    assert mail() == {"mails": 1, "devices": 5}


def test_where_there_is_nobody_to_mail_nothing_is_done(
    cloud: Cloud, environment: pytest.MonkeyPatch
) -> None:
    configure(environment, OPERATOR_QUEUE_URL="", OPERATOR_TOPIC_ARN="")
    assert mail() == {}
    assert cloud.calls == []


def test_a_failed_device_comes_all_the_way_to_its_mail(cloud: Cloud, operators: Operators) -> None:
    bring(cloud, Stage.NOTIFIED)
    assert mail() == {"mails": 1, "devices": 1}
    (email,) = operators.mails()
    assert isinstance(email, Mail)
    for value in (ORIGINAL["model"], ORIGINAL["FW"], "2.27", "dev-1"):
        assert value in email.text
