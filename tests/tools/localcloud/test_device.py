"""The device to play with; what comes of it is in tests/examples/test_by_hand.py."""

import sys

import pytest

from localcloud import device_cli


@pytest.mark.parametrize("missing", [device_cli.MQTT_PORT, device_cli.CA_PEM, "AWS_ENDPOINT_URL"])
def test_it_registers_nothing_where_no_local_cloud_is_known(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in (device_cli.MQTT_PORT, device_cli.CA_PEM, "AWS_ENDPOINT_URL"):
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv(missing)
    monkeypatch.setattr(sys, "argv", ["device", "3hwC2y7"])
    assert device_cli.main() == 1
    assert "start one with `make local`" in capsys.readouterr().err
