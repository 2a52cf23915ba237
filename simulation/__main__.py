"""``python -m simulation``: ``soak`` runs many journeys, ``replay SEED`` shows one.

``million`` has a bad release hit a million devices, ``fleet`` tries ladders on one's own fleet.
"""

import argparse
import sys
from pathlib import Path

# Where Terraform packs it from; it is not installed.
sys.path.insert(0, str(Path(__file__).parents[1] / "lambda_src"))


def main() -> int:
    """Runs a command; 1 when an invariant was violated."""
    # Only now can the package be found.
    from simulation import journey, soak  # noqa: PLC0415
    from simulation.fleet import commands as fleet  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    many = commands.add_parser("soak", help="run many journeys and print what was found")
    many.add_argument("--journeys", type=int, default=1000, help="how many, at least")
    many.add_argument("--seed", type=int, default=1, help="the first seed")
    many.add_argument("--jobs", type=int, default=1, help="processes")
    one = commands.add_parser("replay", help="print all that happens with one seed")
    one.add_argument("seed", type=int)
    fleet.add(commands)
    given = parser.parse_args()
    if "run" in given:
        return int(given.run(given))
    if given.command == "replay":
        result = journey.run(given.seed)
        print(result.options)
        print(*result.trace.lines(), sep="\n")
        print(*result.violations, sep="\n")
        print(f"{len(result.violations)} violations")
        return bool(result.violations)

    def progress(tally: soak.Tally) -> None:
        if sys.stderr.isatty():
            line = f"\r{tally.journeys:,} journeys, {tally.violations} violations "
            print(line, end="", file=sys.stderr, flush=True)

    tally = soak.run(given.journeys, given.seed, given.jobs, progress)
    print(tally.report())
    return bool(tally.violations)


if __name__ == "__main__":
    sys.exit(main())
