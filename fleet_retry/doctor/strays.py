"""Whether every thing with the module's marks has an episode that ends with its originals."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from functools import partial
from itertools import islice

from firmware_retry import marks
from firmware_retry.registry import Thing
from fleet_retry import backups, registry, tables
from fleet_retry.doctor.context import SAMPLE_SIZE, Context
from fleet_retry.doctor.findings import Finding, fault, note

_MOST_EXAMPLES = 3


def check_strays(context: Context) -> Iterator[Finding]:
    """No thing holds move_out_attributes or failed_attributes without an episode."""
    unexplained = sorted(_list_marked(context) - context.census.overwritten)
    others = _list_other_instances(context)
    for name in unexplained[:SAMPLE_SIZE]:
        thing = registry.read_thing(context.deployment, name)
        if thing and _is_stray(context, thing, others):
            yield _describe(context, thing)
    if len(unexplained) > SAMPLE_SIZE:
        yield note(
            f"of {len(unexplained)} things that hold marks and have no record, only {SAMPLE_SIZE}"
            " were looked at"
        )


def _list_marked(context: Context) -> set[str]:
    list_things = partial(registry.list_with_attribute, context.deployment)
    return {
        name
        for kind in context.settings.marks
        for page in marks.list_holders(kind, list_things)
        for name in page
    }


def _list_other_instances(context: Context) -> list[str]:
    pages = context.deployment.client("dynamodb").get_paginator("list_tables").paginate()
    names = (name for page in pages for name in page["TableNames"])
    return marks.select_other_instances(names, context.settings.retries_table)


def _is_stray(context: Context, thing: Thing, others: list[str]) -> bool:
    deployment = context.deployment
    item = tables.get(deployment, context.settings.retries_table, thing.name)
    return (
        marks.holds_any(thing, context.settings.marks)
        and not marks.explains(item, thing, partial(backups.read, deployment))
        and not any(
            marks.may_overwrite(tables.get(deployment, table, thing.name)) for table in others
        )
    )


def _describe(context: Context, thing: Thing) -> Finding:
    written = {
        name: f"<{name}>"
        for kind in context.settings.marks
        for name in kind
        if thing.attributes.get(name) == kind[name]
    }
    known = list(islice(_find_originals(context, thing), _MOST_EXAMPLES))
    payload = json.dumps({"attributes": written, "merge": True})
    command = (
        f"aws iot update-thing --thing-name={thing.name} --attribute-payload {shlex.quote(payload)}"
    )
    kept = "; originals that may be its own: " + ", ".join(known) if known else ""
    return fault(
        f"{thing.name} holds attributes that this module writes, and has no episode",
        "it stays out of its dynamic groups, since no recovery restores it",
        f"{command}, with what it had before{kept}",
    )


def _find_originals(context: Context, thing: Thing) -> Iterator[str]:
    for backup in backups.read_all(context.deployment):
        originals = backup.originals_over(thing)
        if originals and (backup.device_id == thing.name or backup.resembles(thing)):
            yield f"{json.dumps(originals)} of {backup.device_id}"
