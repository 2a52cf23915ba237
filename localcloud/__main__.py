"""``python -m localcloud``: keep a local cloud up until Ctrl-C, and say how to use it."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from pathlib import Path
from types import FrameType

from localcloud.process import LocalCloud, LocalCloudError

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
            print(_instructions(cloud), flush=True)
            code = cloud.wait()
            print(f"the local cloud ended with code {code}; see {cloud.log_path}", file=sys.stderr)
            return 1
    except LocalCloudError as error:
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
        help="folder for the CA certificate and the log (%(default)s)",
    )
    return parser.parse_args()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _instructions(cloud: LocalCloud) -> str:
    exports = "\n".join(
        f"  export {name}={shlex.quote(value)}" for name, value in cloud.environment().items()
    )
    publish = (
        f"  mosquitto_pub -h localhost -p {cloud.mqtt_port} "
        f"--cafile {shlex.quote(str(cloud.ca_pem))} \\\n"
        f"    -i 3hwC2y7 -q 1 -t iot/device/data \\\n"
        f"    -m {shlex.quote(_MESSAGE)}"
    )
    return (
        f"AWS API  {cloud.endpoint_url}\n"
        f"MQTT     localhost:{cloud.mqtt_port} (TLS, CA certificate {cloud.ca_pem})\n"
        f"Log      {cloud.log_path}\n"
        f"Time     a day of waiting lasts {86400 * cloud.time_scale:.1f} s\n\n"
        f"For Terraform, boto3 and the AWS CLI in another shell:\n{exports}\n\n"
        f"A device reports a failed update:\n{publish}\n\n"
        "Ctrl-C stops it, and nothing made in it is kept."
    )


if __name__ == "__main__":
    sys.exit(main())
