"""``python -m localcloud``: keep a local cloud up until Ctrl-C, and say how to use it."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType

from localcloud import device_cli
from localcloud.process import LocalCloud, LocalCloudError
from localcloud.terraform import TerraformError, find_mirror, write_config

_MESSAGE = (
    '{"_id_": "3hwC2y7", "timestamp": "1711320208793", "status": "failed", '
    '"model": "wo:v8", "FW": "2.27"}'
)


def main() -> int:
    """Run the command; returns its exit code."""
    arguments = _parse_arguments()
    # A plain kill stops the server as Ctrl-C does, and Ctrl-C does so even where it was ignored.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    cloud = LocalCloud(
        gateway_port=arguments.port,
        mqtt_port=arguments.mqtt_port,
        time_scale=arguments.time_scale,
        runs_schedules=True,
        data_dir=arguments.data_dir,
    )
    try:
        with cloud:
            print(_instructions(cloud, _write_environment(cloud)), flush=True)
            code = cloud.wait()
            print(f"the local cloud ended with code {code}; see {cloud.log_path}", file=sys.stderr)
            return 1
    except (LocalCloudError, TerraformError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m localcloud", description=__doc__)
    parser.add_argument("--port", type=int, default=4566, help="port of the AWS API (%(default)s)")
    parser.add_argument("--mqtt-port", type=int, default=8883, help="MQTT port (%(default)s)")
    parser.add_argument(
        "--time-scale",
        type=float,
        default=0.0001,
        help="share of its real length that a wait takes (%(default)s: a day lasts 8.6 s)",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path(".local/cloud"),
        help="folder for the log and for what a client needs (%(default)s)",
    )
    return parser.parse_args()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _write_environment(cloud: LocalCloud) -> Path:
    """Return a shell file that points Terraform, boto3, the AWS CLI and a device here."""
    variables = cloud.environment() | {
        device_cli.MQTT_PORT: str(cloud.mqtt_port),
        device_cli.CA_PEM: str(cloud.ca_pem),
    }
    # What Terraform finds for us it would not find for whoever runs it by hand.
    if mirror := find_mirror():
        variables["TF_CLI_CONFIG_FILE"] = str(write_config(cloud.data_dir, mirror))
    path = cloud.data_dir / "environment.sh"
    exports = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    # Those of the shell's own that would still count.
    path.write_text("".join(["unset AWS_PROFILE AWS_SESSION_TOKEN\n", *exports]))
    return path


def _instructions(cloud: LocalCloud, environment: Path) -> str:
    lines = "\n".join(f"  {line}" for line in _lines(environment))
    return (
        f"AWS API  {cloud.endpoint_url}\n"
        f"MQTT     localhost:{cloud.mqtt_port} (TLS, CA certificate {cloud.ca_pem})\n"
        f"Log      {cloud.log_path}\n"
        f"Time     a day of waiting lasts {86400 * cloud.time_scale:.1f} s\n\n"
        f"In another shell, in this folder:\n\n{lines}\n\n"
        "The first line points Terraform, boto3 and the AWS CLI at this cloud. With mosquitto_pub\n"
        "(package mosquitto-clients) a device that is registered reports a failed update:\n\n"
        f"  mosquitto_pub -h localhost -p {cloud.mqtt_port} "
        f"--cafile {shlex.quote(str(cloud.ca_pem))} \\\n"
        f"    -i 3hwC2y7 -q 1 -t {device_cli.TOPIC} \\\n"
        f"    -m {shlex.quote(_MESSAGE)}\n\n"
        "Ctrl-C stops it, and nothing made in it is kept."
    )


def _lines(environment: Path) -> list[str]:
    """Return the commands that the README shows."""
    if environment.is_relative_to(Path.cwd()):
        environment = environment.relative_to(Path.cwd())
    return [
        f". {shlex.quote(str(environment))}",
        "terraform -chdir=examples/quickstart init",
        "terraform -chdir=examples/quickstart apply",
        ".venv/bin/python -m localcloud.device_cli 3hwC2y7 --failures 10",
        ".venv/bin/python -m fleet_retry history 3hwC2y7 # some seconds later",
    ]


if __name__ == "__main__":
    sys.exit(main())
