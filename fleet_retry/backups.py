"""Reads of the original attributes of devices; the items: see ``firmware_retry.backup_table``."""

from __future__ import annotations

from collections.abc import Iterator

from firmware_retry.backup_table import Backup, list_readable
from fleet_retry import tables
from fleet_retry.deployment import Deployment


def read(deployment: Deployment, name: str) -> Backup | None:
    """Read the backup of a device; None when the module has stored none, or it is unreadable.

    Raises:
        DeploymentError: the module is not deployed.
    """
    item = tables.get(deployment, deployment.settings.backup_table, name)
    # A backup of the CDK stack has another form until `fleet-retry adopt` has taken it over.
    items = [item] if item and "written" in item else []
    return next(list_readable(items), None)


def read_all(deployment: Deployment) -> Iterator[Backup]:
    """Read all backups of the module, orphans included, page by page as they are consumed.

    Raises:
        DeploymentError: the module is not deployed.
    """
    table = deployment.settings.backup_table
    items = tables.scan(deployment, table, FilterExpression="attribute_exists(written)")
    yield from list_readable(items)
