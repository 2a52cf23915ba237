"""The outputs of Terraform, from which the deployment is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fleet_retry.deployment import MACHINES, DeploymentError

_TABLE = "retries_table_name"
_MACHINE = "intake_state_machine_arn"


@dataclass(frozen=True)
class Location:
    """Prefix and region of a deployment."""

    prefix: str
    region: str


def read(text: str, prefix: str | None) -> Location:
    """Find the module among the outputs of a root.

    Args:
        text: the output of ``terraform output -json``, of all outputs or of a single output. The
            module's may be the root's own, or nested anywhere within an output of the root.
        prefix: selects among several modules; None when there is a single module.

    Raises:
        DeploymentError: there is none, or the prefix does not select exactly one.
    """
    try:
        outputs = json.loads(text)
    except ValueError as error:
        raise DeploymentError(
            f"these are no outputs of Terraform ({error}): give what `terraform output -json`"
            " prints"
        ) from error
    found = set(_find_modules(_strip_types(outputs)))
    if not found:
        raise DeploymentError(
            f"among these outputs are no {_TABLE} and {_MACHINE}: have the root output the whole"
            ' module, such as output "firmware_retry" { value = module.firmware_retry }'
        )
    meant = [module for module in found if prefix in (None, module.prefix)]
    if len(meant) != 1:
        there = ", ".join(sorted(f'"{module.prefix}"' for module in found))
        raise DeploymentError(f"say which module is meant with --prefix; there are: {there}")
    return meant[0]


def _strip_types(outputs: Any) -> Any:
    """Replace ``{"name": {"value", "type", "sensitive"}}``, as a root prints it, by the values."""
    if not isinstance(outputs, dict):
        return outputs
    return {
        name: output["value"]
        if isinstance(output, dict) and {"value", "type"} <= output.keys()
        else output
        for name, output in outputs.items()
    }


def _find_modules(outputs: Any) -> Iterator[Location]:
    if isinstance(outputs, list):
        for output in outputs:
            yield from _find_modules(output)
    if not isinstance(outputs, dict):
        return
    if isinstance(outputs.get(_TABLE), str) and isinstance(outputs.get(_MACHINE), str):
        _, _, _, region, _, _, name = outputs[_MACHINE].split(":")
        yield Location(name.removesuffix(MACHINES["intake"]), region)
        return
    for output in outputs.values():
        yield from _find_modules(output)
