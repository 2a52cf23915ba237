"""``python -m simulator``: ``soak`` runs many journeys, ``replay SEED`` shows one."""

import argparse
import sys

from simulator import scenario, soak


def main() -> int:
    """Run a command and return its exit status: 1 when an invariant was violated."""
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    many = commands.add_parser("soak", help="run many journeys and print what was found")
    many.add_argument("--journeys", type=int, default=1000, help="how many, at least")
    many.add_argument("--seed", type=int, default=1, help="the first seed")
    many.add_argument("--jobs", type=int, default=1, help="processes")
    single = commands.add_parser("replay", help="print every event of one seed")
    single.add_argument("seed", type=int)
    arguments = parser.parse_args()
    if arguments.command == "replay":
        return _replay(arguments.seed)
    tally = soak.run(arguments.journeys, arguments.seed, arguments.jobs, _show_progress)
    print(tally.report())
    return bool(tally.violations)


def _replay(seed: int) -> int:
    result = scenario.run(seed)
    print(result.options)
    print(*result.trace.lines(), sep="\n")
    print(*result.violations, sep="\n")
    print(f"{len(result.violations)} violations")
    return bool(result.violations)


def _show_progress(tally: soak.Tally) -> None:
    if sys.stderr.isatty():
        line = f"\r{tally.journeys:,} journeys, {tally.violations} violations "
        print(line, end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
