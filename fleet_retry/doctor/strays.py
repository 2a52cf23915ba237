"""Whether every thing with the module's marks has an episode that ends with its originals."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from itertools import islice

from firmware_retry.backup_table import Backup
from firmware_retry.record import State
from firmware_retry.registry import Thing
from firmware_retry.strays import TABLE
from fleet_retry import registry, tables
from fleet_retry.doctor.context import SAMPLE_SIZE, Context
from fleet_retry.doctor.findings import Finding, fault, note

_MOST_EXAMPLES = 3


def check_strays(context: Context) -> Iterator[Finding]:
    """No thing holds move_out_attributes or failed_attributes without an episode."""
    unexplained = sorted(_list_marked(context) - context.census.overwritten)
    others = _list_other_instances(context)
    found = (
        thing
        for name in unexplained[:SAMPLE_SIZE]
        if not any(_is_held_in(context, table, name) for table in others)
        if (thing := registry.read_thing(context.deployment, name))
    )
    for thing in found:
        yield _describe(context, thing)
    if len(unexplained) > SAMPLE_SIZE:
        yield note(
            f"of {len(unexplained)} things that hold marks and have no record, only {SAMPLE_SIZE}"
            " were looked at"
        )


def _describe(context: Context, thing: Thing) -> Finding:
    written = {
        name: f"<{name}>"
        for marks in context.settings.marks
        for name in marks
        if thing.attributes.get(name) == marks[name]
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
    items = tables.scan(
        context.deployment,
        context.settings.backup_table,
        FilterExpression="attribute_exists(written)",
    )
    for backup in map(Backup.of, items):
        originals = backup.originals_over(thing)
        if originals and (backup.device_id == thing.name or backup.resembles(thing)):
            yield f"{json.dumps(originals)} of {backup.device_id}"


def _list_marked(context: Context) -> set[str]:
    return {name for marks in context.settings.marks for name in _list_holders(context, marks)}


def _list_holders(context: Context, marks: Mapping[str, str]) -> Iterator[str]:
    name, value = next(iter(sorted(marks.items())))
    pages = context.deployment.client("iot").get_paginator("list_things")
    for page in pages.paginate(attributeName=name, attributeValue=value):
        for thing in page["things"]:
            if marks.items() <= thing.get("attributes", {}).items():
                yield thing["thingName"]


def _list_other_instances(context: Context) -> list[str]:
    pages = context.deployment.client("dynamodb").get_paginator("list_tables").paginate()
    names = [name for page in pages for name in page["TableNames"] if name.endswith(TABLE)]
    return [name for name in names if name != context.settings.retries_table]


def _is_held_in(context: Context, table: str, name: str) -> bool:
    item = tables.get(context.deployment, table, name)
    return item is not None and item.get("state", {}).get("S") != State.TRACKING
