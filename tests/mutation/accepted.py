"""Mutations that no test can notice, each with the reason."""

ACCEPTED = frozenset(
    {
        # When operators were notified stays until the episode ends: another time is another
        # trackingId.
        "retries_table.end: notifiedAt = :told",
        # A missing attribute differs from everything, also from a thing's id.
        "backup_table.store: attribute_not_exists(deviceId) (never)",
        # A group that does not exist has no listing: the default is for the type checker.
        "failed_group.review: registry.group_id(name) or '' -> registry.group_id(name)",
        # The condition of the parameter is for the type checker.
        "marks.explains: item is None or not may_overwrite(item) -> not may_overwrite(item)",
        # A thing that is listed exists: the first half saves a call.
        (
            "strays._may_be_of: backup.device_id not in marked and _is_gone(backup.device_id)"
            " -> _is_gone(backup.device_id)"
        ),
        # Only a record can be taken over: the first half is for the type checker.
        "intake._count: record and outcome is Outcome.TAKEN_OVER -> outcome is Outcome.TAKEN_OVER",
        # The name of a thing has no slash.
        "emails.console_link: quote(device, safe='') -> quote(device)",
    }
)
