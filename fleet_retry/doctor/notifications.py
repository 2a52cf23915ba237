"""Whether somebody is told when something goes wrong, and whether something has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet_retry import times
from fleet_retry.dead_letters import waiting
from fleet_retry.doctor.context import Patient
from fleet_retry.doctor.findings import Finding, fault, note

ALARMS = "FirmwareRetry-"
"""What the names of the module's alarms begin with, after the prefix."""
OPERATORS_QUEUE = "FailedFirmwareUpdateOperators.fifo"
"""What MailOperators makes mails of."""
_PENDING = "PendingConfirmation"
_GONE = "Deleted"
"""What AWS says for some days of an address that unsubscribed."""


def subscriptions(patient: Patient) -> Iterator[Finding]:
    """Somebody hears of failed devices, and confirmed that they want to."""
    if patient.settings.operator_topic_arn:
        yield from _people(patient)
        yield from _mails(patient)
    else:
        yield from _machines(patient)


def _people(patient: Patient) -> Iterator[Finding]:
    mailed = _subscriptions(patient, patient.settings.operator_topic_arn)
    for of in mailed:
        if of["SubscriptionArn"] == _PENDING:
            yield fault(
                f"{of['Endpoint']} has not confirmed its subscription",
                "it gets no mail of failed devices and alarms",
                "follow the link in the mail of AWS; if it is lost: aws sns subscribe --topic-arn"
                f" {of['TopicArn']} --protocol {of['Protocol']} --notification-endpoint"
                f" {of['Endpoint']}",
            )
    if not mailed:
        yield fault(
            f"nobody is subscribed to {patient.settings.operator_topic_arn}",
            "nobody is mailed of failed devices and alarms; what is not confirmed within three"
            " days goes",
            "terraform apply",
        )


def _mails(patient: Patient) -> Iterator[Finding]:
    """What is mailed comes from the alerts, by a queue."""
    queue = patient.deployment.name(OPERATORS_QUEUE)
    with patient.deployment.looking_for(f"queue {queue}"):
        patient.deployment.client("sqs").get_queue_url(QueueName=queue)
    topic = patient.settings.alerts_topic_arn
    if not any(of["Endpoint"].endswith(f":{queue}") for of in _subscriptions(patient, topic)):
        yield fault(
            f"the queue {queue} is not subscribed to {topic}",
            "nobody is mailed of failed devices",
            "terraform apply",
        )


def _machines(patient: Patient) -> Iterator[Finding]:
    """Where no person is told, something has to listen to the alerts."""
    if not _subscriptions(patient, patient.settings.alerts_topic_arn):
        yield fault(
            "nobody hears of failed devices: there are no alert_emails, and nothing is subscribed"
            f" to {patient.settings.alerts_topic_arn}",
            "failed devices and alarms only show to who looks",
            'set alert_emails = ["you@example.com"] in the module, and terraform apply',
        )


def _subscriptions(patient: Patient, topic_arn: str) -> list[dict[str, Any]]:
    pages = patient.deployment.client("sns").get_paginator("list_subscriptions_by_topic")
    with patient.deployment.looking_for(f"topic {topic_arn}"):
        found = [of for page in pages.paginate(TopicArn=topic_arn) for of in page["Subscriptions"]]
    return [of for of in found if of["SubscriptionArn"] != _GONE]


def alarms(patient: Patient) -> Iterator[Finding]:
    """There are alarms; none is on, and none is silenced."""
    prefix = patient.deployment.name(ALARMS)
    pages = patient.deployment.client("cloudwatch").get_paginator("describe_alarms")
    found = [of for page in pages.paginate(AlarmNamePrefix=prefix) for of in page["MetricAlarms"]]
    if not found:
        yield fault(
            f"there is no alarm whose name begins with {prefix}",
            "nobody is told when recoveries fail",
            "terraform apply",
        )
    for of in found:
        if of["StateValue"] == "ALARM":
            yield fault(
                f"the alarm {of['AlarmName']} is on: {of.get('StateReason', '')}",
                of.get("AlarmDescription", ""),
                f"docs/runbook.md says what to do about {of['AlarmName']}",
            )
        if not of["ActionsEnabled"]:
            yield fault(
                f"the alarm {of['AlarmName']} is silenced",
                "nobody is told when it goes off",
                f"aws cloudwatch enable-alarm-actions --alarm-names {of['AlarmName']}",
            )


def dead_letters(patient: Patient) -> Iterator[Finding]:
    """No message waits that could not be counted."""
    if letters := waiting(patient.deployment):
        yield fault(
            f"{letters} message(s) wait in the dead-letter queue",
            "these failures and successes are not counted, and after 14 days they are lost",
            f"{patient.deployment.command('redrive', '--dry-run')} shows why; without --dry-run"
            " they go on their way again, once the cause is gone",
        )


def overdue(patient: Patient) -> Iterator[Finding]:
    """Nothing that was due has been left undone."""
    census = patient.census
    if not census.overdue_count:
        return
    examples = ", ".join(sorted(census.overdue)[:5])
    function = patient.deployment.name("ReconcileDevices")
    yield fault(
        f"{census.overdue_count} device(s) are overdue, one since"
        f" {times.age(census.oldest_overdue_seconds)}: {examples}",
        "ReconcileDevices should have finished them within its interval",
        f"aws lambda invoke --cli-read-timeout 0 --function-name {function} /dev/stdout, and its"
        f" log says what is in the way; {patient.deployment.command('show', 'DEVICE')}",
    )


def paused_campaigns(patient: Patient) -> Iterator[Finding]:
    """Devices are held back because somebody, or the breaker, wants it so."""
    for campaign in sorted(patient.census.now.paused):
        held = patient.census.held[campaign]
        yield note(
            f"the campaign {campaign} is paused: {held} device(s) are held",
            "they are not sent back for another cycle",
            f"{patient.deployment.command('campaigns')} says why;"
            f" {patient.deployment.command('resume', '--', campaign)}",
        )
