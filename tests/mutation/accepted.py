"""Mutations that no test can notice, each with the reason."""

ACCEPTED = frozenset(
    {
        # When operators were notified stays until the episode ends: another time is another
        # trackingId.
        "retries_table.end: notifiedAt = :told",
        # A missing attribute differs from everything, also from a thing's id.
        "backup_table.store: attribute_not_exists(deviceId) (never)",
    }
)
