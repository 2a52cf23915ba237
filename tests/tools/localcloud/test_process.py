"""The life of a local cloud: ports, errors, ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from localcloud import LocalCloud, LocalCloudError, eventually, process
from localcloud.project import ROOT


def test_it_leaves_nothing_behind() -> None:
    with LocalCloud(account_id="111122223333", region="eu-central-1") as cloud:
        folder = cloud.data_dir
        identity = cloud.client("sts").get_caller_identity()
        assert identity["Account"] == "111122223333"
        assert cloud.ca_pem.read_text().startswith("-----BEGIN CERTIFICATE-----")
        topic = cloud.client("sns").create_topic(Name="t")["TopicArn"]
        assert topic == "arn:aws:sns:eu-central-1:111122223333:t"
        port = cloud.gateway_port
    assert not folder.exists()
    with socket.socket() as probe:
        assert probe.connect_ex((process.HOST, port)) != 0


def test_a_named_folder_is_kept_and_a_port_is_free_again(tmp_path: Path) -> None:
    with LocalCloud(data_dir=tmp_path) as cloud:
        ports = cloud.gateway_port, cloud.mqtt_port
    assert {path.name for path in tmp_path.iterdir()} == {"ca.pem", "localcloud.log"}
    with LocalCloud(gateway_port=ports[0], mqtt_port=ports[1]) as again:
        assert (again.gateway_port, again.mqtt_port) == ports


def test_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind((process.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LocalCloudError, match=f"port {port} on 127.0.0.1 cannot be used"):
            LocalCloud(mqtt_port=port).start()


def test_wrong_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: "9.9")
    with pytest.raises(LocalCloudError, match=r"MiniStack 9\.9 is installed.*needs 1\.5\.33"):
        LocalCloud().start()


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(LocalCloudError, match="pip install ministack"):
        LocalCloud().start()


def test_death_at_the_start_shows_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    # An environment in which MiniStack cannot be imported.
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(LocalCloudError, match=r"ended at its start.*log ends with:\n.+"):
        LocalCloud().start()


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import time; from localcloud import LocalCloud\n"
        "cloud = LocalCloud(); cloud.start()\n"
        "print(cloud.gateway_port, cloud.data_dir, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent.stdout as lines:
        port, folder = lines.readline().split()
    parent.send_signal(signal.SIGKILL)
    parent.wait()

    def is_gone() -> bool:
        with socket.socket() as probe:
            refused = probe.connect_ex((process.HOST, int(port))) != 0
        return refused and not Path(folder).exists()

    assert eventually(is_gone)


def test_the_command_prints_what_to_do_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    with socket.socket() as first, socket.socket() as second:
        for probe in (first, second):
            probe.bind((process.HOST, 0))
        ports = [str(probe.getsockname()[1]) for probe in (first, second)]
    command = [sys.executable, "-m", "localcloud", "--port", ports[0], "--mqtt-port", ports[1]]
    running = subprocess.Popen(
        [*command, "--data-dir", str(tmp_path / "a folder")],
        cwd=ROOT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    printed = ""
    while "Ctrl-C" not in printed:
        line = running.stdout.readline()
        assert line, printed
        printed += line
    second_try = subprocess.run(
        [*command, "--data-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert second_try.returncode == 1
    assert second_try.stderr.startswith(f"port {ports[0]} on 127.0.0.1 cannot be used")
    running.send_signal(signal.SIGINT)
    assert running.wait(180) == 0
    running.stdout.close()
    environment = tmp_path / "a folder" / "environment.sh"
    assert f"  . '{environment}'\n" in printed
    assert f"export AWS_ENDPOINT_URL=http://127.0.0.1:{ports[0]}\n" in environment.read_text()
    assert (
        f"mosquitto_pub -h localhost -p {ports[1]} --cafile '{tmp_path}/a folder/ca.pem'" in printed
    )
