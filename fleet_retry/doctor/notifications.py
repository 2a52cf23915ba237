"""Whether operators are notified of trouble, and whether there is any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet_retry import times, undelivered
from fleet_retry.dead_letters import count_waiting
from fleet_retry.doctor.context import Context
from fleet_retry.doctor.findings import Finding, fault, note
from fleet_retry.undelivered import OPERATORS_QUEUE

ALARMS = "FirmwareRetry-"
"""The names of the module's alarms begin with it, after the prefix."""
_PENDING = "PendingConfirmation"
_GONE = "Deleted"
"""SNS lists an unsubscribed address like this for some days."""


def check_subscriptions(context: Context) -> Iterator[Finding]:
    """Alerts have subscribers, and all have confirmed."""
    if context.settings.operator_topic_arn:
        yield from _check_addresses(context)
        yield from _check_queue(context)
    else:
        yield from _check_alert_subscribers(context)


def _check_addresses(context: Context) -> Iterator[Finding]:
    topic = context.settings.operator_topic_arn
    addresses = _list_subscriptions(context, topic)
    pending = [address for address in addresses if address["SubscriptionArn"] == _PENDING]
    yield from map(_of_pending, pending)
    why = "alerts wait in the queue for 14 days at most, and alarms send no e-mail"
    if not addresses:
        yield fault(
            f"nobody is subscribed to {topic}",
            f"{why}; what is not confirmed within three days goes",
            "terraform apply",
        )
    elif len(pending) == len(addresses):
        yield fault(
            f"nobody has confirmed a subscription of {topic}",
            why,
            "follow the link in the mail of AWS; the next pass of MailOperators sends the alerts",
        )


def _of_pending(address: dict[str, Any]) -> Finding:
    return fault(
        f"{address['Endpoint']} has not confirmed its subscription",
        "it gets no mail of failed devices and alarms",
        "follow the link in the mail of AWS; if it is lost: aws sns subscribe --topic-arn"
        f" {address['TopicArn']} --protocol {address['Protocol']} --notification-endpoint"
        f" {address['Endpoint']}",
    )


def _check_queue(context: Context) -> Iterator[Finding]:
    """E-mail is sent from a queue that is subscribed to the alerts."""
    queue = context.deployment.name(OPERATORS_QUEUE)
    context.deployment.queue_url(OPERATORS_QUEUE)
    topic = context.settings.alerts_topic_arn
    endpoints = [subscription["Endpoint"] for subscription in _list_subscriptions(context, topic)]
    if not any(endpoint.endswith(f":{queue}") for endpoint in endpoints):
        yield fault(
            f"the queue {queue} is not subscribed to {topic}",
            "nobody is mailed of failed devices",
            "terraform apply",
        )


def _check_alert_subscribers(context: Context) -> Iterator[Finding]:
    """Without e-mail, something has to be subscribed to the alerts."""
    if not _list_subscriptions(context, context.settings.alerts_topic_arn):
        yield fault(
            "nobody hears of failed devices: there are no alert_emails, and nothing is subscribed"
            f" to {context.settings.alerts_topic_arn}",
            "failed devices and alarms are visible only in the console; nobody is notified",
            'set alert_emails = ["you@example.com"] in the module, and terraform apply',
        )


def _list_subscriptions(context: Context, topic_arn: str) -> list[dict[str, Any]]:
    pages = context.deployment.client("sns").get_paginator("list_subscriptions_by_topic")
    with context.deployment.report_missing(f"topic {topic_arn}"):
        return [
            subscription
            for page in pages.paginate(TopicArn=topic_arn)
            for subscription in page["Subscriptions"]
            if subscription["SubscriptionArn"] != _GONE
        ]


def check_alarms(context: Context) -> Iterator[Finding]:
    """Alarms exist; none is on, and none is silenced."""
    prefix = context.deployment.name(ALARMS)
    pages = context.deployment.client("cloudwatch").get_paginator("describe_alarms")
    found = [
        alarm for page in pages.paginate(AlarmNamePrefix=prefix) for alarm in page["MetricAlarms"]
    ]
    if not found:
        yield fault(
            f"there is no alarm whose name begins with {prefix}",
            "nobody is told when recoveries fail",
            "terraform apply",
        )
    for alarm in found:
        name = alarm["AlarmName"]
        if alarm["StateValue"] == "ALARM":
            yield fault(
                f"the alarm {name} is on: {alarm.get('StateReason', '')}",
                alarm.get("AlarmDescription", ""),
                f"docs/operations/runbook.md says what to do about {name}",
            )
        if not alarm["ActionsEnabled"]:
            yield fault(
                f"the alarm {name} is silenced",
                "nobody is told when it goes off",
                f"aws cloudwatch enable-alarm-actions --alarm-names {name}",
            )


def check_dead_letters(context: Context) -> Iterator[Finding]:
    """Check that the dead-letter queue is empty."""
    if letters := count_waiting(context.deployment):
        yield fault(
            f"{letters} message(s) wait in the dead-letter queue",
            "these failures and successes are not counted, and after 14 days they are lost",
            f"{context.deployment.command('redrive', '--dry-run')} shows why; without --dry-run"
            " they go on their way again, once the cause is gone",
        )


def check_undelivered(context: Context) -> Iterator[Finding]:
    """SNS delivers all alerts to the queue of the operators' e-mail."""
    if alerts := undelivered.count_waiting(context.deployment):
        yield fault(
            f"{alerts} alert(s) wait that SNS could not deliver to the queue of the e-mail",
            "operators were not notified of them, and after 14 days they are lost",
            f"terraform apply restores the policy of the queue; then"
            f" {context.deployment.command('redrive')} sends them",
        )


def check_overdue(context: Context) -> Iterator[Finding]:
    """No device is overdue."""
    census = context.census
    if not census.overdue_count:
        return
    examples = ", ".join(sorted(census.overdue)[:5])
    function = context.deployment.name("ReconcileDevices")
    yield fault(
        f"{census.overdue_count} device(s) are overdue, one since"
        f" {times.format_age(census.oldest_overdue_seconds)}: {examples}",
        "ReconcileDevices should have finished them within its interval",
        f"aws lambda invoke --cli-read-timeout 0 --function-name {function} /dev/stdout, and its"
        f" log says what is in the way; {context.deployment.command('show', 'DEVICE')}",
    )


def check_devices_not_away(context: Context) -> Iterator[Finding]:
    """All devices that used up a cycle are moved out."""
    census = context.census
    if census.not_away_count:
        examples = ", ".join(sorted(census.not_away)[:5])
        yield fault(
            f"{census.not_away_count} device(s) used up a cycle, and their attributes could not be"
            f" overwritten: {examples}",
            "they stay in their dynamic thing groups, and AWS IoT Jobs goes on with them",
            f"{context.deployment.command('show', 'DEVICE')} has the run that failed; once the"
            " cause is gone: aws stepfunctions redrive-execution --execution-arn ARN",
        )


def check_records(context: Context) -> Iterator[Finding]:
    """All records can be read."""
    unreadable = sorted(context.census.unreadable)
    if unreadable:
        yield fault(
            f"{len(unreadable)} record(s) cannot be read: {'; '.join(unreadable[:5])}",
            "the module counts no failure of these devices and does nothing for them",
            "correct the item in the table of records, or restore the attributes of the thing by"
            " hand and delete the item",
        )


def check_paused_campaigns(context: Context) -> Iterator[Finding]:
    """No campaign is paused."""
    known = context.census.now.campaigns
    for campaign in sorted(name for name, campaign in known.items() if campaign.is_paused):
        held = context.census.held[campaign]
        yield note(
            f"the campaign {campaign} is paused: {held} device(s) are held",
            "they are not sent back for another cycle",
            f"{context.deployment.command('campaigns')} says why;"
            f" {context.deployment.command('resume', '--', campaign)}",
        )
