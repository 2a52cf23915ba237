"""Run the real Terraform (or OpenTofu) on a root folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

MINIMUM_VERSION = (1, 9)
MIRROR_VARIABLE = "TF_PLUGIN_MIRROR"
REATTACH = "TF_REATTACH_PROVIDERS"
"""The variable that tells Terraform of a provider that runs already."""
_PROVIDER = Path("registry.terraform.io/hashicorp/aws")
_MIRROR_DEPTH = 3
_PLANNING = ("-input=false", "-no-color")
_CHANGES = 2
"""What ``terraform plan -detailed-exitcode`` ends with when something would change."""


class TerraformError(Exception):
    """Terraform is missing, too old, or a command of it failed; says what to do or what it said."""


class Terraform:
    """Terraform on one root folder.

    Args:
        root: folder of the root module. Terraform writes its lock file and, if there is no
            backend, its state here: pass a copy where the source must stay as it is.
        environment: variables for the provider, such as ``LocalCloud.environment()``. If given,
            the process's own AWS_ variables are left out.
        variables: input variables, JSON-ready.
        data_dir: folder for TF_DATA_DIR (downloaded providers and modules); None leaves
            Terraform's own, ``.terraform`` in the root.

    Raises:
        TerraformError: no binary of a usable version.
    """

    def __init__(
        self,
        root: Path,
        *,
        environment: Mapping[str, str] | None = None,
        variables: Mapping[str, Any] | None = None,
        data_dir: Path | None = None,
    ) -> None:
        self.root = root.resolve()
        self.binary = find_binary()
        self._folder = Path(tempfile.mkdtemp(prefix="localcloud-terraform-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self.environment = self._make_environment(environment, variables or {}, data_dir)

    def init(self, *options: str) -> None:
        """``terraform init``: from a filesystem mirror if there is one, else from the registry.

        Raises:
            TerraformError: init failed; if the registry cannot be reached, the message says so.
        """
        done = self._call("init", "-input=false", "-no-color", *options)
        if done.returncode == 0:
            return
        if _registry_is_unreachable(done.stderr):
            raise TerraformError(
                "the provider hashicorp/aws is neither in a local mirror nor can "
                "registry.terraform.io be reached: go online, or let the environment variable "
                f"{MIRROR_VARIABLE} name a folder that holds {_PROVIDER}"
            )
        raise _failure("init", done)

    def run(self, command: str, *options: str) -> str:
        """Any other command without questions or colours, such as ``validate``; what it printed.

        Raises:
            TerraformError: it failed.
        """
        done = self._call(command, *options)
        if done.returncode != 0:
            raise _failure(command, done)
        return done.stdout

    def apply(self, *options: str, **variables: Any) -> str:
        """``terraform apply`` without questions; returns what Terraform printed.

        Args:
            options: such as ``-refresh=false``.
            variables: input variables of this call, besides those of the object.

        Raises:
            TerraformError: apply failed.
        """
        return self.run("apply", *_PLANNING, "-auto-approve", *options, *_flags(variables))

    def plan(self, **variables: Any) -> tuple[bool, str]:
        """``terraform plan``: whether anything would change, and what Terraform printed.

        Raises:
            TerraformError: the plan failed.
        """
        done = self._call("plan", *_PLANNING, "-detailed-exitcode", *_flags(variables))
        if done.returncode not in (0, _CHANGES):
            raise _failure("plan", done)
        return done.returncode == _CHANGES, done.stdout

    def destroy(self, *options: str, **variables: Any) -> str:
        """``terraform destroy`` without questions; returns what Terraform printed.

        Args:
            options: more of the command's, such as ``-refresh=false`` where the state is current.
            variables: input variables of this call, besides those of the object.

        Raises:
            TerraformError: destroy failed.
        """
        settings = [*_PLANNING, "-auto-approve", *options, *_flags(variables)]
        return self.run("destroy", *settings)

    def outputs(self) -> dict[str, Any]:
        """Return the root's outputs, name to value.

        Raises:
            TerraformError: there is no readable state.
        """
        answer = json.loads(self.run("output", "-json", "-no-color"))
        return {name: entry["value"] for name, entry in answer.items()}

    @contextmanager
    def one_provider(self) -> Iterator[None]:
        """Has all commands of the block use one process of hashicorp/aws, in an initialized root.

        Each command would start two or three otherwise, which takes longer than most of what they
        do: https://developer.hashicorp.com/terraform/plugin/debugging

        Raises:
            TerraformError: the provider did not say where it can be reached.
        """
        kept, data_dir = self.environment, Path(self.environment.get("TF_DATA_DIR", ".terraform"))
        providers = self.root / data_dir / "providers" / _PROVIDER
        binary = next(providers.glob("*/*/terraform-provider-aws*"), None)
        if binary is None:  # OpenTofu keeps providers of its own registry elsewhere
            yield
            return
        with subprocess.Popen(  # noqa: S603 -- installed by init
            [str(binary), "-debug"],
            cwd=self.root,  # where it looks for the files that resources name
            env=kept | {"TF_LOG_PROVIDER": "OFF"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            try:
                self.environment = kept | _address_of(process)
                yield
            finally:
                self.environment = kept
                process.terminate()

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 -- found by find_binary
            [self.binary, *arguments],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def _make_environment(
        self,
        environment: Mapping[str, str] | None,
        variables: Mapping[str, Any],
        data_dir: Path | None,
    ) -> dict[str, str]:
        own = dict(os.environ)
        if environment is not None:
            own = {name: value for name, value in own.items() if not name.startswith("AWS_")}
        own |= dict(environment or {}) | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
        # The provider's schema is a large heap, and collecting it a third of Terraform's time.
        own.setdefault("GOGC", "400")
        # Most of an apply is waiting for the provider's own waits.
        for command in ("apply", "destroy"):
            own.setdefault(f"TF_CLI_ARGS_{command}", "-parallelism=40")
        own |= {f"TF_VAR_{name}": _value(value) for name, value in variables.items()}
        if data_dir is not None:
            own["TF_DATA_DIR"] = str(data_dir.resolve())
        # Terraform warns at every call about a configuration file that is not there.
        if not Path(own.get("TF_CLI_CONFIG_FILE", os.devnull)).exists():
            del own["TF_CLI_CONFIG_FILE"]
        mirror = find_mirror()
        if mirror is not None:
            own["TF_CLI_CONFIG_FILE"] = str(write_config(self._folder, mirror))
        return own


def _address_of(process: subprocess.Popen[str]) -> dict[str, str]:
    """``REATTACH`` for a provider that has just started."""
    for line in process.stdout or ():
        if found := re.search(rf"{REATTACH}='(.+)'", line):
            return {REATTACH: found[1]}
    raise TerraformError("the provider ended before it said where it can be reached")


def write_config(folder: Path, mirror: Path) -> Path:
    """Write a configuration of Terraform with a mirror of hashicorp/aws; return its path."""
    config = folder / "terraform.rc"
    source = "registry.terraform.io/hashicorp/aws"
    config.write_text(
        "provider_installation {\n"
        "  filesystem_mirror {\n"
        f"    path    = {json.dumps(str(mirror))}\n"
        f'    include = ["{source}"]\n'
        "  }\n"
        "  direct {\n"
        f'    exclude = ["{source}"]\n'
        "  }\n"
        "}\n"
    )
    return config


def find_binary() -> str:
    """Path of Terraform, or else OpenTofu.

    Raises:
        TerraformError: none is on the PATH, or it is older than ``MINIMUM_VERSION``.
    """
    minimum = ".".join(map(str, MINIMUM_VERSION))
    binary = shutil.which("terraform") or shutil.which("tofu")
    if binary is None:
        raise TerraformError(
            f"neither terraform nor tofu is on the PATH: install Terraform >= {minimum} "
            "from https://developer.hashicorp.com/terraform/install"
        )
    version = _version_of(binary)
    if version < MINIMUM_VERSION:
        found = ".".join(map(str, version))
        raise TerraformError(f"{binary} is version {found}: install version {minimum} or newer")
    return binary


def _version_of(binary: str) -> tuple[int, ...]:
    environment = os.environ | {"CHECKPOINT_DISABLE": "1"}
    done = subprocess.run(  # noqa: S603 -- found on the PATH
        [binary, "version", "-json"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    # Text, not JSON: Terraform puts its warnings before the JSON document.
    found = re.search(r'"terraform_version":\s*"(\d+)\.(\d+)\.(\d+)', done.stdout)
    if found is None:
        raise TerraformError(f"{binary} does not tell its version: {done.stderr.strip()}")
    return tuple(map(int, found.groups()))


def find_mirror() -> Path | None:
    """Find a folder with a filesystem mirror of hashicorp/aws; None means the registry.

    The environment variable ``TF_PLUGIN_MIRROR`` names one, or wants none when it is empty.

    Raises:
        TerraformError: the environment names one that is no such mirror.
    """
    named = os.environ.get(MIRROR_VARIABLE)
    if named == "":
        return None
    if named is not None:
        if (Path(named) / _PROVIDER).is_dir():
            return Path(named).resolve()
        raise TerraformError(f"{MIRROR_VARIABLE} is {named}, which does not hold {_PROVIDER}")
    return next((folder for folder in _places() if (folder / _PROVIDER).is_dir()), None)


def _places() -> Iterator[Path]:
    home = Path.home()
    shared = (Path("/usr/local/share"), Path("/usr/share"), Path("/opt"))
    for root in (home / ".terraform.d", *shared, home):
        yield from _folders(root, _MIRROR_DEPTH)


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """``folder`` and what is under it, ``depth`` levels in all, no hidden ones below the first."""
    yield folder
    if depth == 1:
        return
    try:
        children = sorted(child for child in folder.iterdir() if child.is_dir())
    except OSError:
        return
    for child in children:
        if not child.name.startswith(".") and not child.is_symlink():
            yield from _folders(child, depth - 1)


def _registry_is_unreachable(text: str) -> bool:
    signs = (
        "could not connect to",
        "failed to request discovery document",
        "no such host",
        "connection refused",
        "timeout",
    )
    return any(sign in text.lower() for sign in signs)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _flags(variables: Mapping[str, Any]) -> list[str]:
    return [f"-var={name}={_value(value)}" for name, value in variables.items()]


def _failure(command: str, done: subprocess.CompletedProcess[str]) -> TerraformError:
    return TerraformError(f"terraform {command} failed:\n{done.stderr.strip() or done.stdout}")
