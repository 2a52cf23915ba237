"""Whether every thing with the module's marks has an episode that ends with its originals."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice

from firmware_retry import marks
from firmware_retry.marks import Holders
from firmware_retry.registry import Thing
from fleet_retry import backups, registry, tables
from fleet_retry.deployment import DeploymentError
from fleet_retry.doctor.context import SAMPLE_SIZE, Context
from fleet_retry.doctor.findings import Finding, fault, note

_MOST_EXAMPLES = 3


def check_strays(context: Context) -> Iterator[Finding]:
    """No thing holds move_out_attributes or failed_attributes without an episode."""
    holders, others = _list_holders(context), _list_other_instances(context)
    explained = context.census.overwritten | _list_held(context, holders, others)
    # Those with a part of the marks last: they may be what they were.
    whole, part = holders.whole - explained, holders.part - holders.whole - explained
    names = sorted(whole) + sorted(part)
    for name in names[:SAMPLE_SIZE]:
        thing = registry.read_thing(context.deployment, name)
        if thing and _is_stray(context, thing, others):
            yield from _describe(context, thing)
    if len(names) > SAMPLE_SIZE:
        yield note(
            f"of {len(names)} things that hold marks and have no record, only {SAMPLE_SIZE}"
            " were looked at"
        )


def check_marks_of_others(context: Context) -> Iterator[Finding]:
    """No other instance overwrites attributes with values that foreign_marks should list."""
    own = context.settings
    known = marks.list_pairs(own.known_marks)
    for table in _list_other_instances(context):
        prefix = marks.prefix_of(table)
        try:
            other = replace(context.deployment, prefix=prefix).settings
        except DeploymentError as error:
            yield note(
                f"the settings of the instance with the table {table} cannot be read: {error}",
                "this module may take a value that it writes for an original",
                "list its move_out_attributes and failed_attributes in foreign_marks",
            )
            continue
        unknown = [
            f"{name} = {value}"
            for name, value in marks.list_pairs(other.marks)
            if name in own.names_to_overwrite and (name, value) not in known
        ]
        if unknown:
            yield fault(
                f"the instance with the prefix {prefix!r} writes {', '.join(unknown)}",
                "over the same thing, this one takes that for an original and restores it",
                "list these attributes in foreign_marks",
            )


def _list_holders(context: Context) -> Holders:
    holders = Holders()
    for mark in marks.list_pairs(context.settings.known_marks):
        for page in registry.list_with_attribute(context.deployment, *mark):
            holders.add(page, context.settings.marks)
    return holders


def _list_held(context: Context, holders: Holders, others: list[str]) -> set[str]:
    names = sorted(holders.whole | holders.part)
    return {
        item["deviceId"]["S"]
        for table in others
        for item in tables.get_many(context.deployment, table, names)
        if marks.may_overwrite(item)
    }


def _list_other_instances(context: Context) -> list[str]:
    pages = context.deployment.client("dynamodb").get_paginator("list_tables").paginate()
    names = (name for page in pages for name in page["TableNames"])
    return marks.select_other_instances(names, context.settings.retries_table)


def _is_stray(context: Context, thing: Thing, others: list[str]) -> bool:
    deployment = context.deployment
    item = tables.get(deployment, context.settings.retries_table, thing.name)
    return (
        marks.holds_part(thing.attributes, context.settings.known_marks)
        and not marks.explains(item, thing, partial(backups.read, deployment))
        and not any(
            marks.may_overwrite(tables.get(deployment, table, thing.name)) for table in others
        )
    )


def _describe(context: Context, thing: Thing) -> Iterator[Finding]:
    known = list(islice(_find_originals(context, thing), _MOST_EXAMPLES))
    if not known and not marks.holds_any(thing.attributes, context.settings.marks):
        return
    pairs = marks.list_pairs(context.settings.known_marks)
    written = {name: f"<{name}>" for name, value in pairs if thing.attributes.get(name) == value}
    payload = json.dumps({"attributes": written, "merge": True})
    command = (
        f"aws iot update-thing --thing-name={thing.name} --attribute-payload {shlex.quote(payload)}"
    )
    kept = "; originals that may be its own: " + ", ".join(known) if known else ""
    yield fault(
        f"{thing.name} holds attributes that this module writes, and has no episode",
        "it stays out of its dynamic groups, since no recovery restores it",
        f"{command}, with what it had before{kept}",
    )


def _find_originals(context: Context, thing: Thing) -> Iterator[str]:
    for backup in backups.read_all(context.deployment):
        originals = backup.originals_over(thing)
        if originals and (backup.device_id == thing.name or backup.resembles(thing)):
            yield f"{json.dumps(originals)} of {backup.device_id}"
