"""``python -m fleet_retry``: the same as ``fleet-retry``."""

from fleet_retry.cli import app

app()
