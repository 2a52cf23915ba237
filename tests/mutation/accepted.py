"""Mutations that no test can notice, each with the reason."""

ACCEPTED = frozenset(
    {
        # When operators were notified stays until the episode ends: another time is another
        # trackingId.
        "retries_table.end: notifiedAt = :told",
        # A missing attribute differs from everything, also from a thing's id.
        "backup_table.store: attribute_not_exists(deviceId) (never)",
        # Only a record can be taken over: the first half is for the type checker.
        "intake._count: record and outcome is Outcome.TAKEN_OVER -> outcome is Outcome.TAKEN_OVER",
        # The name of a thing has no slash.
        "emails.console_link: quote(device, safe='') -> quote(device)",
    }
)
