"""What a device may take at most, as it was agreed before it was built."""

from collections.abc import Mapping

from bench.cdk_baseline import TWENTY
from pricing.recorded_usage import Figures, Measured, usage_of

COMPARED_SERVICES = ("Step Functions", "Lambda", "DynamoDB")
"""Those that the original's price is made of."""
_ONE_REFUSED_WRITE: Figures = {
    "standard_transitions": 0,
    "lambda_invocations": 1,
    "dynamodb_calls": 1,
    "dynamodb_reads": 0,
    "items_changed": 0,
}

AT_MOST: Mapping[str, Figures] = {
    "telemetry": {"rules_triggered": 1, "express_requests": 0, "lambda_invocations": 0},
    "counted": {
        "standard_transitions": 0,
        "lambda_invocations": 1,
        "write_units": 1,
        "read_units": 0,
    },
    "duplicate": _ONE_REFUSED_WRITE,
    "cooling_down": _ONE_REFUSED_WRITE,
    "escalated": {"standard_transitions": 7, "lambda_invocations": 29},
}
DOLLARS_AT_MOST: Mapping[str, float] = {"escalated": (TWENTY.dollars or 0) / 13}
"""Of the compared services: a thirteenth of the original's."""


def comparable_dollars(figures: Figures) -> float:
    """Return the list price of the services in the original's price, in dollars."""
    services = usage_of(figures).by_service()
    return sum(services.get(service, 0.0) for service in COMPARED_SERVICES)


def find_missed(measured: Measured) -> list[str]:
    """Return the targets that are not met, one line per target."""
    return [line for journey in AT_MOST for line in find_missed_by(journey, measured[journey])]


def find_missed_by(journey: str, figures: Figures) -> list[str]:
    """Return the targets of a journey that its figures do not meet, one line per target."""
    lines = [
        f"{name} of {journey} is {figures.get(name, 0):g}, the target is {most:g}"
        for name, most in AT_MOST[journey].items()
        if figures.get(name, 0) > most
    ]
    dollars, most = comparable_dollars(figures), DOLLARS_AT_MOST.get(journey, float("inf"))
    if dollars > most:
        lines.append(f"{journey} costs ${dollars:.6f}, the target is ${most:.6f}")
    return lines
