"""The definitions of the state machines, rendered as the Terraform module renders them."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from simulator import hcl

ROOT = Path(__file__).parents[2]
RECOVERIES = ("cool_down", "escalation")
MACHINES = ("intake", *RECOVERIES)

_CALL = re.compile(r'templatefile\("([^"]*)",\s*')


def machine_arn(machine: str) -> str:
    """The ARN of a simulated state machine."""
    return f"arn:aws:states:eu-west-1:123456789012:stateMachine:{machine}"


def function_arn(step: str) -> str:
    """The ARN of a step's simulated function."""
    return f"arn:aws:lambda:eu-west-1:123456789012:function:{step}"


QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/dead-letters"


def steps() -> list[str]:
    """The steps that the definitions call, in the order in which they are named first."""
    found: dict[str, None] = {}
    for machine in MACHINES:
        text = _path(machine).read_text("utf-8")
        found.update(dict.fromkeys(re.findall(r'functions\["(\w+)"\]', text)))
    return list(found)


@lru_cache(maxsize=8)
def rendered(machine: str) -> str:
    """The definition of a machine (``intake``, ``cool_down`` or ``escalation``), JSON text.

    Raises:
        HclError, KeyError: the module calls templatefile in a way that is not understood here.
    """
    return hcl.template(_path(machine).read_text("utf-8"), _by_name(template_variables(machine)))


def definition(machine: str) -> dict[str, Any]:
    """The definition of a machine, a new object each time."""
    made: dict[str, Any] = json.loads(rendered(machine))
    return made


@lru_cache(maxsize=8)
def template_variables(machine: str) -> Mapping[str, Any]:
    """What the module gives to the template of a machine."""
    text = (ROOT / "modules" / "workflow" / "main.tf").read_text("utf-8")
    given: dict[str, Any] = {
        "local.partition": "aws",
        "local.definitions": "stepfunctions",
        "each.key": machine,
        "var.function_arns": {step: function_arn(step) for step in steps()},
        "var.dead_letter_queue_url": QUEUE_URL,
    }
    given |= {
        f'aws_sfn_state_machine.recovery["{name}"].arn': machine_arn(name) for name in RECOVERIES
    }
    scope = hcl.local_values(text, given)
    for call in _CALL.finditer(text):
        if hcl.template(call[1], scope).endswith(f"/{machine}.asl.json.tftpl"):
            variables: Mapping[str, Any] = hcl.evaluate(text, call.end(), scope)
            return variables
    raise hcl.HclError(f"the module renders no definition of {machine}")


def _path(machine: str) -> Path:
    return ROOT / "stepfunctions" / f"{machine}.asl.json.tftpl"


def _by_name(variables: Mapping[str, Any]) -> hcl.Scope:
    def scope(reference: str) -> Any:
        name, _, rest = reference.partition("[")
        value = variables[name]
        return value[rest.strip('"]')] if rest else value

    return scope
