"""``fleet-retry``: what the people who operate a fleet do with a deployed module."""
