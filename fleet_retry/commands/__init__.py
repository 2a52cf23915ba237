"""The commands of ``fleet-retry``: what they take, and what they print."""
