"""The outputs of Terraform: they say which deployment is meant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fleet_retry.deployment import MACHINES, DeploymentError

_TABLE = "retries_table_name"
_MACHINE = "intake_state_machine_arn"


@dataclass(frozen=True)
class Whereabouts:
    """What finds a deployment."""

    prefix: str
    region: str


def read(text: str, prefix: str | None) -> Whereabouts:
    """Finds the module among the outputs of a root.

    Args:
        text: what ``terraform output -json`` prints, of all outputs or of one. The module's may be
            the root's own, or lie anywhere within an output of the root.
        prefix: which module, where there are several; None where there is one.

    Raises:
        DeploymentError: there is none, or it is not clear which.
    """
    try:
        outputs = json.loads(text)
    except ValueError as error:
        raise DeploymentError(
            f"these are no outputs of Terraform ({error}): give what `terraform output -json`"
            " prints"
        ) from error
    found = set(_modules(_without_types(outputs)))
    if not found:
        raise DeploymentError(
            f"among these outputs are no {_TABLE} and {_MACHINE}: have the root output the whole"
            ' module, such as output "firmware_retry" { value = module.firmware_retry }'
        )
    meant = [of for of in found if prefix in (None, of.prefix)]
    if len(meant) != 1:
        there = ", ".join(sorted(f'"{of.prefix}"' for of in found))
        raise DeploymentError(f"say which module is meant with --prefix; there are: {there}")
    return meant[0]


def _without_types(outputs: Any) -> Any:
    """All outputs of a root come as ``{"name": {"value", "type", "sensitive"}}``."""
    if not isinstance(outputs, dict):
        return outputs
    return {
        name: of["value"] if isinstance(of, dict) and {"value", "type"} <= of.keys() else of
        for name, of in outputs.items()
    }


def _modules(outputs: Any) -> Iterator[Whereabouts]:
    if isinstance(outputs, list):
        for one in outputs:
            yield from _modules(one)
    if not isinstance(outputs, dict):
        return
    if isinstance(outputs.get(_TABLE), str) and isinstance(outputs.get(_MACHINE), str):
        _, _, _, region, _, _, name = outputs[_MACHINE].split(":")
        yield Whereabouts(name.removesuffix(MACHINES["intake"]), region)
        return
    for one in outputs.values():
        yield from _modules(one)
