"""The tables that a reader sees, made of figures."""

from collections.abc import Callable
from itertools import pairwise

from bench import journeys, run
from bench.cdk_baseline import NINE, TWENTY, Original
from bench.targets import COMPARED_SERVICES, comparable_dollars
from pricing.bill import Usage
from pricing.prices import LOOKED_UP, MILLION, PRICES, REGION
from pricing.quotas import QUOTAS
from pricing.recorded_usage import Figures, Measured, usage_of
from reporting.tables import Table

RECONCILES_A_MONTH = 30 * 24 * 4
"""ReconcileDevices, every quarter of an hour, in a month of 30 days."""
MAILS_A_MONTH = 30 * 24 * 12
"""MailOperators, every five minutes."""
_BESIDE_THE_BILL = {
    "items_changed": "items changed",
    "dynamodb_calls": "DynamoDB calls",
    "dynamodb_reads": "of them reads",
}
_UNKNOWN = "not told"
_STARTS = ("stepfunctions.start_execution", "states.start_express")
"""The original starts a Standard run for each message, and this module an Express run."""


def all_tables(measured: Measured) -> dict[str, Table]:
    """Every table by its name, which is that of its place in ``docs/costs.md``."""
    return {
        "messages": messages(measured),
        "devices": devices(measured),
        "original": beside_the_original(measured),
        "services": by_service(measured),
        "failures": by_failures(measured),
        "fleet": by_fleet(measured),
        "reconcile": reconcile(measured),
        "mails": mails(measured),
        "month": monthly_cost(measured),
        "prices": prices(),
    }


def messages(measured: Measured) -> Table:
    """Return the table of single messages."""
    columns = {journey.title: measured[journey.name] for journey in journeys.MESSAGES}
    return _figures("One message", columns, _price_rows)


def devices(measured: Measured) -> Table:
    """Return the table of whole journeys."""
    titles = {
        "recovered": "recovered: 10 failures, then success",
        "escalated": "escalated: 20 failures",
    }
    columns = {title: measured[name] for name, title in titles.items()}
    return _figures("One device", columns, _price_rows)


def beside_the_original(measured: Measured) -> Table:
    """Return the table of the same failures in the workflow that this module replaces."""
    names = ("standard_transitions", "lambda_invocations", "dynamodb_calls", "dynamodb_reads")
    pairs: list[tuple[Original, Figures]] = [
        (NINE, measured["failures_9"]),
        (TWENTY, measured["failures_20"]),
    ]
    heads = [
        text
        for before, _ in pairs
        for text in (f"{before.failures} failures: original", f"{before.failures} failures: here")
    ]
    rows = [
        (
            _label(name),
            *(
                text
                for before, now in pairs
                for text in (_number(getattr(before, name)), _number(now.get(name, 0)))
            ),
        )
        for name in names
    ]
    prices_of = [
        text
        for before, now in pairs
        for text in (_dollars(before.dollars), _dollars(comparable_dollars(now)))
    ]
    services = ", ".join(COMPARED_SERVICES)
    rows.append((f"list price of {services}", *prices_of))
    rows.append(("of that price", "", "", f"{times_as_much(measured):.1f} times as much", "1"))
    starts = [f"{QUOTAS[name].rate:,.0f}" for name in _STARTS]
    rows.append(("messages a second that AWS starts a run for", *starts, *starts))
    return Table("Beside the original", ("", *heads), tuple(rows))


def summary(measured: Measured) -> Table:
    """Return the table of the README: a message and a device, beside the original."""
    names = ("counted", "duplicate", "recovered", "escalated")
    columns = [measured[name] for name in names]
    rows = [
        (
            _label(name),
            *(_number(figures.get(name, 0)) for figures in columns),
            _number(getattr(TWENTY, name, None)),
        )
        for name in ("standard_transitions", "lambda_invocations", "write_units", "read_units")
    ]
    compared = [_dollars(comparable_dollars(figures)) for figures in columns]
    usages = [usage_of(figures) for figures in columns]
    rows += [
        (f"list price of {', '.join(COMPARED_SERVICES)}", *compared, _dollars(TWENTY.dollars)),
        (
            "with AWS IoT, logs and alerts",
            *(_dollars(usage.dollars()) for usage in usages),
            _UNKNOWN,
        ),
        (
            "a million of them",
            *(f"${usage.dollars() * MILLION:,.2f}" for usage in usages),
            _UNKNOWN,
        ),
    ]
    heads = (
        "a failure that is counted",
        "a copy of a message",
        "a device that recovers after 10 failures",
        "a device that fails 20 times, in two cycles",
        "20 failures with the original",
    )
    return Table("Summary", ("", *heads), tuple(rows))


def times_as_much(measured: Measured) -> float:
    """How much more 20 failures cost with the original, of what its price is made of."""
    return (TWENTY.dollars or 0) / comparable_dollars(measured["failures_20"])


def by_service(measured: Measured) -> Table:
    """Whose bill an escalated device is on."""
    usage = usage_of(measured["escalated"])
    rows = [
        (service, _dollars(dollars), f"{dollars / usage.dollars():.0%}")
        for service, dollars in usage.by_service().items()
    ]
    rows.append(("all", _dollars(usage.dollars()), "100%"))
    return Table("An escalated device, by service", ("", "list price", "share"), tuple(rows))


def by_failures(measured: Measured) -> Table:
    """Return the table of a device's cost by its number of failures."""
    names = ("standard_transitions", "lambda_invocations", "write_units", "read_units")
    figures = {step: measured[f"failures_{step}"] for step in journeys.STEPS}
    dollars = {step: usage_of(usage).dollars() for step, usage in figures.items()}
    further = {
        after: (dollars[after] - dollars[before]) / (after - before)
        for before, after in pairwise(figures)
    }
    rows = [
        (
            str(step),
            *(_number(usage.get(name, 0)) for name in names),
            _dollars(dollars[step]),
            _dollars(further.get(step)),
        )
        for step, usage in figures.items()
    ]
    heads = ("failures", *map(_label, names), "list price", "each further failure")
    return Table("One device, by failures", heads, tuple(rows))


def by_fleet(measured: Measured) -> Table:
    """Return the table that compares a journey in a small and in a large fleet."""
    name = journeys.ESCALATED.name
    columns = {"alone": measured[name], "beside 1,000 devices": measured[name + run.BESIDE]}
    return _figures("An escalated device, by fleet", columns, _price_rows)


def reconcile(measured: Measured) -> Table:
    """Return the table of ReconcileDevices: idle passes, and one that restores devices."""
    columns = {f"{records:,} records": measured[f"reconcile_{records}"] for records in run.AT_REST}
    columns[f"{run.OVERDUE} devices to restore"] = measured["reconcile_overdue"]

    def monthly(usage: Usage) -> dict[str, str]:
        return {
            "list price": _dollars(usage.dollars()),
            "a month of such passes": f"${usage.dollars() * RECONCILES_A_MONTH:.2f}",
        }

    return _figures("One pass of ReconcileDevices", columns, monthly)


def mails(measured: Measured) -> Table:
    """Return the table of MailOperators."""
    columns = {"nothing to tell": measured["mail_0"], "one device": measured["mail_1"]}
    return _figures("One pass of MailOperators", columns, _price_rows)


def monthly_cost(measured: Measured) -> Table:
    """Return the table of the fixed monthly cost."""
    monitoring = measured["monitoring"]
    scheduled = {
        "passes of ReconcileDevices": (RECONCILES_A_MONTH, measured["reconcile_0"]),
        "passes of MailOperators": (MAILS_A_MONTH, measured["mail_0"]),
    }
    rows = [
        (price.unit, _number(monitoring[name]), f"${monitoring[name] * price.of_one:.2f}")
        for name, price in PRICES.items()
        if name in monitoring
    ]
    whole = usage_of(monitoring)
    for name, (passes, figures) in scheduled.items():
        usage = usage_of(figures) * passes
        rows.append((name, f"{passes:,}", f"${usage.dollars():.2f}"))
        whole += usage
    rows.append(("all", "", f"${whole.dollars():.2f}"))
    return Table("A month without failures", ("", "number", "list price"), tuple(rows))


def prices() -> Table:
    """Return the table of list prices."""
    rows = tuple(
        (
            price.unit,
            f"${_number(price.dollars, 10)}",
            _per(price.per),
            f"[{price.service}]({price.page})",
        )
        for price in PRICES.values()
    )
    return Table(f"List prices, {REGION}, {LOOKED_UP}", ("", "price", "per", "page"), rows)


def _figures(
    title: str, columns: dict[str, Figures], last: Callable[[Usage], dict[str, str]]
) -> Table:
    """Return a table with a row per figure, and the rows that ``last`` makes of each usage."""
    usages = [usage_of(figures) for figures in columns.values()]
    rows = [
        (_label(name), *(_number(figures.get(name, 0)) for figures in columns.values()))
        for name in (*PRICES, *_BESIDE_THE_BILL)
        if any(figures.get(name) for figures in columns.values())
    ]
    costs = [last(usage) for usage in usages]
    rows += [(label, *(cost[label] for cost in costs)) for label in costs[0]]
    return Table(title, ("", *columns), tuple(rows))


def _price_rows(usage: Usage) -> dict[str, str]:
    return {
        "list price": _dollars(usage.dollars()),
        "a million of them": f"${usage.dollars() * MILLION:,.2f}",
    }


def _label(name: str) -> str:
    return _BESIDE_THE_BILL.get(name) or PRICES[name].unit


def _number(units: float | None, digits: int = 4) -> str:
    if units is None:
        return _UNKNOWN
    text = f"{units:,.{digits}f}"
    return text.rstrip("0").rstrip(".")


def _dollars(dollars: float | None) -> str:
    return _UNKNOWN if dollars is None else f"${dollars:.7f}"


def _per(units: float) -> str:
    return f"{units:,.0f}"
