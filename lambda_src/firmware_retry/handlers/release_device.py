"""ReleaseDevice: an operator is done with a device; restore its attributes and stop tracking it."""

from typing import Any

from firmware_retry import aws, release
from firmware_retry.errors import InvalidMessageError
from firmware_retry.message import parse_thing_name

aws.prepare("dynamodb", "iot", "sns")


def handler(event: dict[str, Any], context: object) -> release.Results:
    """Release devices: out of the failed group, attributes restored, record deleted.

    Args:
        event: ``{"deviceId": "…"}`` or ``{"deviceIds": ["…"]}`` of an operator; or AWS IoT's event
            that a thing was removed from the failed group, see ``message``.
        context: Lambda's, not used.

    Returns:
        Device names by result, see ``release.release_all`` and ``release.release_removed``.
        Repeating is safe.

    Raises:
        InvalidMessageError: the event contains no device name, or an invalid one.
        TransientError, BackupMissingError, RequestRefusedError: the only device of the event could
            not be released: the intake has to try again.
    """
    if event.get("kind") == "removed":
        name = parse_thing_name(event.get("deviceId"))
        return {release.release_removed(name, int(event["timestamp"])): [name]}
    if "deviceIds" not in event:
        name = parse_thing_name(event.get("deviceId"))
        return {release.release_one(name): [name]}
    if not isinstance(event["deviceIds"], list):
        raise InvalidMessageError("deviceIds is not a list")
    return release.release_all([parse_thing_name(name) for name in event["deviceIds"]])
