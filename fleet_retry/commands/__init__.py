"""The commands of ``fleet-retry``, one module per command: options and output."""
