"""The definitions without one entry of a Catch or Retry: a test has to fail."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from simulator import definitions


@dataclass(frozen=True)
class Removal:
    """One entry of a Catch or Retry to remove."""

    machine: str
    state: str
    kind: str
    """``Catch`` or ``Retry``."""
    place: int
    errors: tuple[str, ...]

    def __str__(self) -> str:
        errors = f" {', '.join(self.errors)}" if self.kind == "Catch" else ""
        return f"{self.machine}.{self.state}: {self.kind}{errors}"

    def apply(self) -> dict[str, Any]:
        """Return the definition without the entry."""
        changed = definitions.definition(self.machine)
        del changed["States"][self.state][self.kind][self.place]
        return changed


def removals() -> Iterator[Removal]:
    """Yield each entry of each Catch and Retry of the definitions."""
    for machine in definitions.MACHINES:
        for name, state in definitions.definition(machine)["States"].items():
            for kind in ("Catch", "Retry"):
                for place, entry in enumerate(state.get(kind, ())):
                    yield Removal(machine, name, kind, place, tuple(entry["ErrorEquals"]))
