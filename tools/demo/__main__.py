"""Deploy the quickstart to a local cloud and send a small fleet through it."""

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from demo import dashboard, journeys, report
from demo.account import create_fleet, register_new_firmware
from demo.devices import DATA_TOPIC, Updater
from demo.fleet_plan import plan_fleet
from demo.journeys import Journey
from localcloud.fleet import Fleet, subscribe_queue
from localcloud.process import LocalCloud, LocalCloudError
from localcloud.project import copy_project, keep_state_in_a_bucket, take_code_from_a_bucket
from localcloud.terraform import Terraform, TerraformError, find_binary

TIME_SCALE = 0.0001
"""A day in 8.6 seconds."""
GIVE_UP_SECONDS = 300.0
"""Longest that the fleet may take; it needs about a third of it."""


class DemoError(Exception):
    """The demo cannot go on; says why in a line."""


def main() -> int:
    """Run the demo.

    Returns:
        The exit status: 0 when every device ended where it should, 1 when one did not, 2 when the
        demo could not run, 130 when it was interrupted.
    """
    arguments = _arguments()
    console = Console()
    try:
        return _run(console, arguments)
    except (LocalCloudError, TerraformError, DemoError) as error:
        console.print(f"{error}", style="bold red", highlight=False, markup=False)
        return 2
    except KeyboardInterrupt:
        console.print("Interrupted: the local cloud is stopped and nothing is left behind.")
        return 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--port", type=int, help="port of the local AWS API (default: a free one)")
    parser.add_argument("--mqtt-port", type=int, help="port of MQTT (default: a free one)")
    parser.add_argument(
        "--page",
        type=Path,
        default=Path(".local/demo/index.html"),
        help="where the page is written (default: %(default)s)",
    )
    parser.add_argument(
        "--dashboard", type=Path, help="draw the deployed dashboard as well: a .png or .svg"
    )
    return parser.parse_args()


def _run(console: Console, arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    find_binary()  # before anything is started
    with LocalCloud(
        gateway_port=arguments.port,
        mqtt_port=arguments.mqtt_port,
        time_scale=TIME_SCALE,
        runs_schedules=True,
    ) as cloud:
        console.print(f"Local cloud on {cloud.endpoint_url}, MQTT on port {cloud.mqtt_port}.")
        with console.status("terraform apply of examples/quickstart …"):
            fleet = _deploy(cloud)
        console.print(f"Quickstart applied after {time.monotonic() - began:.0f} s.")
        start = time.time()
        finished = _send_fleet(console, fleet)
        if arguments.dashboard:
            name = fleet.outputs["dashboard_name"]
            dashboard.draw_deployed(arguments.dashboard, cloud, name, start, time.time())
            console.print(f"The dashboard: {arguments.dashboard.resolve().as_uri()}")
    report.print_table(console, finished)
    duration = time.monotonic() - began
    facts = {
        "A day takes": f"{86_400 * TIME_SCALE:.1f} s",
        "The whole demo took": f"{duration:.0f} s",
    }
    report.write_page(arguments.page, finished, facts)
    wrong = sum(not journey.is_right for journey in finished)
    console.print(f"{len(finished) - wrong} of {len(finished)} devices ended as they should.")
    console.print(f"The timeline of every device: {arguments.page.resolve().as_uri()}")
    return 1 if wrong else 0


def _deploy(cloud: LocalCloud) -> Fleet:
    """Apply the quickstart in a copy that takes Terraform's files."""
    with tempfile.TemporaryDirectory(prefix="demo-") as scratch:
        copy = copy_project(Path(scratch) / "module")
        root = copy / "examples" / "quickstart"
        take_code_from_a_bucket(cloud, copy)
        keep_state_in_a_bucket(cloud.client("s3"), root)
        terraform = Terraform(root, environment=cloud.environment())
        terraform.init()
        with terraform.one_provider():
            terraform.apply()
            outputs: dict[str, Any] = terraform.outputs()["firmware_retry"]
    queue = subscribe_queue(cloud, outputs["alerts_topic_arn"], "demo-alerts.fifo")
    return Fleet(cloud, outputs, queue, DATA_TOPIC)


def _send_fleet(console: Console, fleet: Fleet) -> list[Journey]:
    plans = plan_fleet()
    create_fleet(fleet.cloud, plans)
    on_success = partial(register_new_firmware, fleet.cloud)
    updaters = [Updater(plan, fleet.cloud, on_success) for plan in plans]
    start = time.time()
    for updater in updaters:
        updater.start()
    try:
        _watch(console, fleet, updaters)
    finally:
        for updater in updaters:
            updater.stop()
    return journeys.collect(fleet, updaters, start)


def _watch(console: Console, fleet: Fleet, updaters: list[Updater]) -> None:
    """Show how far each device is until all have ended, or the time is over."""
    columns = (TextColumn("{task.description:<9}"), TextColumn("{task.fields[now]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        tasks = {
            updater.plan.name: progress.add_task(updater.plan.name, now="waiting for its job")
            for updater in updaters
        }
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            records = fleet.all_records()
            for updater in updaters:
                now = _now(updater, records.get(updater.plan.name, {}))
                progress.update(tasks[updater.plan.name], now=now)
            if _have_ended(fleet, updaters):
                return
            time.sleep(0.5)


def _now(updater: Updater, record: dict[str, Any]) -> str:
    if updater.error:
        msg = f"device {updater.plan.name} stopped: {updater.error}"
        raise DemoError(msg)
    if updater.has_updated:
        return f"[green]updated after {updater.failures} failures"
    state = record.get("state", "")
    if state == "cooling_down":
        return "[blue]moved out, cooling down for a day"
    if state == "failed":
        return "[red]failed for good, " + (
            "people notified" if "notifiedAt" in record else "settling"
        )
    cycle = int(record.get("ResetRetryCount", "0")) + 1
    return f"cycle {cycle}: {record.get('RetryCounter', '0')} failures counted"


def _have_ended(fleet: Fleet, updaters: list[Updater]) -> bool:
    wanted = {updater.plan.name: updater.plan.ending for updater in updaters}
    return journeys.endings(fleet, list(wanted)) == wanted


if __name__ == "__main__":
    sys.exit(main())
