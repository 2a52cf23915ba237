"""``python -m fleet_model``: a bad release hits a million devices, or your fleet climbs ladders."""

import argparse
import sys

from fleet_model import commands


def main() -> int:
    """Run a command and return its exit status: 1 when a device or a count was lost."""
    parser = argparse.ArgumentParser(prog="python -m fleet_model", description=__doc__)
    commands.add(parser.add_subparsers(dest="command", required=True))
    arguments = parser.parse_args()
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
