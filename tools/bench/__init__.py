"""Measures what the deployed module costs: `python -m bench`."""
