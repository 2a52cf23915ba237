"""The e-mails for operators, made of the alerts on the FIFO topic: see ``alerts``.

A few devices get an e-mail each. Many share one digest, so that a storm of failures does not become
a storm of e-mails.
"""

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from firmware_retry import alerts
from firmware_retry.errors import InvalidMessageError
from firmware_retry.message import parse_thing_name
from firmware_retry.settings import settings

Alert = dict[str, Any]
"""A message on the FIFO topic, parsed."""

MOST_DEVICES = 1000
"""Most devices of a digest: with names of 128 characters it stays below SNS's 256 KB.
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""
_MOST_KINDS = 5
_EXAMPLES = 5
_UNREADABLE_SHOWN = 20

_OF_DEVICE = {
    "deviceId": str,
    "model": str,
    "firmware": str,
    "campaign": str,
    "reason": str,
    "cycles": int,
    "startedAt": str,
    "failedAt": str,
    "attributes": dict,
    "failedAttributes": dict,
    "thingGroup": str,
    "recoveryId": str,
}
_KEYS: dict[str, dict[str, type]] = {
    "failed": _OF_DEVICE,
    "healed": _OF_DEVICE | {"healedAt": str},
    "campaign_tripped": {
        "campaign": str,
        "devices": int,
        "total": int,
        "windowSeconds": int,
        "isPaused": bool,
        "since": str,
    },
    "failed_group_refilled": {
        "thingGroup": str,
        "devices": int,
        "isReplaced": bool,
        "noticedAt": str,
    },
}
"""The keys of an alert that an e-mail needs, by event."""

# https://docs.aws.amazon.com/general/latest/gr/aws-arns-and-namespaces.html
_CONSOLES = {
    "aws": "{region}.console.aws.amazon.com",
    "aws-cn": "{region}.console.amazonaws.cn",
    "aws-us-gov": "{region}.console.amazonaws-us-gov.com",
    "aws-eusc": "{region}.console.amazonaws-eusc.eu",
}


@dataclass(frozen=True)
class Mail:
    """An e-mail, as published on the operator topic."""

    subject: str
    """Less than 100 printable ASCII characters, which SNS requires."""
    text: str


def read(body: str) -> Alert:
    """Parse a message of the FIFO topic; empty when no e-mail can be made of it."""
    try:
        alert = json.loads(body)
        keys = _KEYS[alert["event"]]
        if alert["version"] != alerts.SCHEMA_VERSION:
            return {}
        if not all(isinstance(alert[name], kind) for name, kind in keys.items()):
            return {}
        if "deviceId" in keys:
            parse_thing_name(alert["deviceId"])
    except (ValueError, KeyError, TypeError, InvalidMessageError):
        return {}
    return dict(alert)


# One device


def device_mail(alert: Alert) -> Mail:
    """Return the e-mail about one device that failed, or healed."""
    return _failure_mail(alert) if alert["event"] == "failed" else _success_mail(alert)


def _failure_mail(alert: Alert) -> Mail:
    device = alert["deviceId"]
    return Mail(
        _subject(f"Firmware update failed: {device}"),
        f"The firmware update of {device} failed for good. It is not tried again.\n\n"
        f"{_facts(alert)}\n"
        "What was done: its attributes were overwritten, so that it left its dynamic thing groups,"
        f" and it is in the thing group {_short(alert['thingGroup'])}.\n\n"
        f"{_list_changes(alert)}\n"
        "When you are done with it, this takes it out of the group and gives it its attributes"
        " back:\n\n"
        f"  {_command('release', '--', device)}\n\n"
        f"{console_link(device)}\n",
    )


def _success_mail(alert: Alert) -> Mail:
    device = alert["deviceId"]
    return Mail(
        _subject(f"Firmware update succeeded after all: {device}"),
        f"{device}, whose firmware update had failed for good, reports that it succeeded"
        f" ({_short(alert['healedAt'])}). It is out of the thing group"
        f" {_short(alert['thingGroup'])} and has its attributes back: nothing is left to do.\n\n"
        f"{_facts(alert)}\n"
        f"{console_link(device)}\n",
    )


def _facts(alert: Alert) -> str:
    facts = {
        "Device": alert["deviceId"],
        "Model": alert["model"],
        "Firmware": alert["firmware"],
        "Campaign": alert["campaign"],
        "Reason": alert["reason"],
        "Cycles": str(alert["cycles"]),
        "First failure": alert["startedAt"],
        "Failed for good": alert["failedAt"],
    }
    return "".join(f"{name + ':':17}{_short(value)}\n" for name, value in facts.items())


def _list_changes(alert: Alert) -> str:
    originals = alert["attributes"]
    return "".join(
        f"  {_short(name)}: {_short(originals.get(name), 'none')} -> {_short(value)}\n"
        for name, value in alert["failedAttributes"].items()
    )


# Many devices


def digest_mail(latest: Sequence[Alert]) -> Mail:
    """Return the e-mail about many devices, with the names of all of them.

    Args:
        latest: the last alert of each device, for 1 to ``MOST_DEVICES`` devices.
    """
    failed = [alert for alert in latest if alert["event"] == "failed"]
    healed = [alert for alert in latest if alert["event"] == "healed"]
    counts = Counter(alert["event"] for alert in failed + healed)
    events = ", ".join(f"{number} {event}" for event, number in counts.items())
    parts = [part for part in (_failure_digest(failed), _success_digest(healed)) if part]
    devices = _count_of(len(latest), "device")
    return Mail(_subject(f"Firmware updates of {devices}: {events}"), "\n".join(parts))


def _failure_digest(failed: Sequence[Alert]) -> str:
    if not failed:
        return ""
    moments = sorted(_short(alert["failedAt"]) for alert in failed)
    groups = ", ".join(sorted({_short(alert["thingGroup"]) for alert in failed})[:_MOST_KINDS])
    examples = "\n".join(_example(alert) for alert in failed[:_EXAMPLES])
    return (
        f"The firmware update of {_count_of(len(failed), 'device')} failed for good, between"
        f" {moments[0]} and {moments[-1]}. None is tried again; all are in the thing group"
        f" {groups}.\n\n"
        f"{_most_frequent('By firmware', failed, 'firmware')}"
        f"{_most_frequent('By model', failed, 'model')}"
        f"{_most_frequent('By campaign', failed, 'campaign')}"
        f"{_most_frequent('Commonest reasons', failed, 'reason')}"
        f"Examples:\n{examples}\n\n"
        "Look at all that failed, and release them when you are done, from a file with the names"
        " below:\n\n"
        f"  {_command('list', '--state', 'failed')}\n"
        f"  {_command('release', '--file', 'devices.txt')}\n\n"
        f"All {len(failed)} that failed:\n\n{_names(failed)}"
    )


def _success_digest(healed: Sequence[Alert]) -> str:
    if not healed:
        return ""
    return (
        f"The firmware update of {_count_of(len(healed), 'device')} that had failed succeeded after"
        " all. They have their attributes back: nothing is left to do.\n\n"
        f"{_most_frequent('By campaign', healed, 'campaign')}"
        f"All {len(healed)} that healed:\n\n{_names(healed)}"
    )


def _most_frequent(title: str, devices: Iterable[Alert], key: str) -> str:
    counts = Counter(_short(alert[key]) for alert in devices).most_common()
    lines = [f"  {number:6} {value}\n" for value, number in counts[:_MOST_KINDS]]
    if rest := counts[_MOST_KINDS:]:
        lines.append(f"  {sum(number for _, number in rest):6} others ({len(rest)})\n")
    return f"{title}:\n{''.join(lines)}\n"


def _example(alert: Alert) -> str:
    device = alert["deviceId"]
    return f"  {device}: {_short(alert['reason'])}\n    {console_link(device)}"


def _names(devices: Iterable[Alert]) -> str:
    return "".join(f"{alert['deviceId']}\n" for alert in devices)


def _count_of(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


# No device


def campaign_mail(alert: Alert) -> Mail:
    """Return the e-mail about a campaign in which too many devices fail."""
    campaign = _short(alert["campaign"])
    what_now = (
        "Its devices are held back: none of them is sent into another cycle until you say so:\n\n"
        f"  {_command('resume', '--', campaign)}\n"
        if alert["isPaused"]
        else "Its devices go on as before. To hold them back:\n\n"
        f"  {_command('pause', '--', campaign)}\n\n"
        "You are not told of it again, unless you ask for that:\n\n"
        f"  {_command('resume', '--', campaign)}\n"
    )
    return Mail(
        _subject(f"Firmware campaign fails: {campaign}"),
        f"{alert['devices']} of the {alert['total']} devices that used up a cycle of tries within"
        f" {alert['windowSeconds']} seconds and have not succeeded since are of the campaign"
        f" {campaign} (since {_short(alert['since'])}). The campaign itself is to be suspected, and"
        f" not the devices.\n\n{what_now}\n"
        f"Its devices:\n\n  {_command('list', '--campaign', campaign)}\n",
    )


def group_mail(alert: Alert) -> Mail:
    """Return the e-mail about failed devices that are missing from their thing group."""
    devices, group = _count_of(alert["devices"], "failed device"), _short(alert["thingGroup"])
    cause = (
        "was replaced: deleted and created again, renamed, or another group was configured"
        if alert["isReplaced"]
        else "was emptied"
    )
    return Mail(
        _subject(f"Missing from the failed group: {devices}"),
        f"The thing group {group} {cause}.\n\n"
        f"Missing from it since then: {devices} (noticed {_short(alert['noticedAt'])}). They were"
        " not released: from now on ReconcileDevices puts them into the group, and leaves their"
        " attributes as they are.\n\n"
        "You need not do anything. To release them on purpose:\n\n"
        f"  {_command('release', '--state', 'failed')}\n",
    )


def unreadable_mail(bodies: Sequence[str]) -> Mail:
    """Return the e-mail about messages on the FIFO topic that this module did not publish."""
    shown = "\n\n".join(_short(body, cut=1000) for body in bodies[:_UNREADABLE_SHOWN])
    return Mail(
        _subject(f"{_count_of(len(bodies), 'alert')} on firmware updates could not be read"),
        f"Of the messages on the topic {settings().alerts_topic_arn}, {len(bodies)} cannot be read:"
        " the module sends none like that. They are whole in the log of"
        f" {settings().name_prefix}MailOperators. Who else publishes on that topic? Shortened"
        f"{f', the first {_UNREADABLE_SHOWN}' if len(bodies) > _UNREADABLE_SHOWN else ''}:"
        f"\n\n{shown}\n",
    )


# What all have in common


def console_link(device: str) -> str:
    """Return the URL of a thing in AWS's console."""
    _, partition, _, region, _ = settings().alerts_topic_arn.split(":")[:5]
    host = console_host(partition, region)
    return f"https://{host}/iot/home?region={region}#/thing/{quote(device, safe='')}"


def console_host(partition: str, region: str) -> str:
    """Return the host of AWS's console for a region, which differs per partition."""
    return _CONSOLES.get(partition, _CONSOLES["aws"]).format(region=region)


def _command(name: str, *words: str) -> str:
    """Return a command line for this deployment; its options come first, before any ``--``."""
    region = settings().alerts_topic_arn.split(":")[3]
    prefix = ("--prefix", settings().name_prefix) if settings().name_prefix else ()
    return shlex.join(("fleet-retry", name, *prefix, "--region", region, *words))


def _subject(text: str) -> str:
    line = re.sub(r"[^ -~]+", "?", text)
    return line if len(line) < 100 else f"{line[:96]}..."


def _short(value: Any, nothing: str = "unknown", cut: int = 300) -> str:
    text = str(value) if value else nothing
    return text if len(text) <= cut else f"{text[:cut]}…"
