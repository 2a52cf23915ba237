"""The real Terraform against the local cloud: nothing comes back changed, nothing is left."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import LocalCloud, Terraform, TerraformError
from localcloud import terraform as terraform_module

ROOT = Path(__file__).with_name("root")


def test_apply_plan_and_destroy(empty: LocalCloud, tmp_path: Path) -> None:
    cloud, root = empty, Path(shutil.copytree(ROOT, tmp_path / "root"))
    terraform = Terraform(root, environment=cloud.environment(), data_dir=tmp_path / "data")
    terraform.init()
    with terraform.one_provider():
        _apply_plan_and_destroy(cloud, terraform)
    assert not (root / ".terraform").exists()


def _apply_plan_and_destroy(cloud: LocalCloud, terraform: Terraform) -> None:
    key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
    first = {"keys": {"earlier": key}}
    terraform.apply(**first)
    changes, text = terraform.plan(**first)
    assert not changes, text
    assert terraform.outputs() == {"machine_names": ["any-EXPRESS", "any-STANDARD"]}
    assert _keys(cloud) == first["keys"]

    second: dict[str, Any] = {"description": "second", "keys": {"later": key}}
    assert terraform.plan(**second)[0]
    terraform.apply(**second)
    changes, text = terraform.plan(**second)
    assert not changes, text
    assert _keys(cloud) == second["keys"]

    terraform.destroy()
    assert cloud.client("iot").list_topic_rules()["rules"] == []
    assert cloud.client("iot").list_thing_groups()["thingGroups"] == []
    assert cloud.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert cloud.client("stepfunctions").list_state_machines()["stateMachines"] == []
    assert cloud.client("logs").describe_log_groups()["logGroups"] == []
    assert cloud.client("iam").list_roles()["Roles"] == []
    # The provider leaves them as they are.
    events = cloud.client("iot").describe_event_configurations()["eventConfigurations"]
    assert [kind for kind, setting in events.items() if setting["Enabled"]] == ["JOB_EXECUTION"]


def _keys(cloud: LocalCloud) -> dict[str, str]:
    """The keys of the log groups that have one, by the name of the group."""
    groups = cloud.client("logs").describe_log_groups()["logGroups"]
    return {group["logGroupName"]: group["kmsKeyId"] for group in groups if "kmsKeyId" in group}


def test_deletion_protection_of_a_table_holds(cloud: LocalCloud) -> None:
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName="protected",
        BillingMode="PAY_PER_REQUEST",
        DeletionProtectionEnabled=True,
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
    )
    with pytest.raises(ClientError, match="deletion protection"):
        dynamodb.delete_table(TableName="protected")
    dynamodb.update_table(TableName="protected", DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName="protected")


def test_inputs_are_any_json_and_only_the_state_is_written_beside_the_source(
    tmp_path: Path,
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "main.tf").write_text(
        'variable "given" { type = list(number) }\noutput "it" { value = var.given }'
    )
    terraform = Terraform(root, variables={"given": [1, 2]}, data_dir=tmp_path / "data")
    terraform.init()
    terraform.apply()
    assert terraform.outputs() == {"it": [1, 2]}
    assert {path.name for path in root.iterdir()} == {"main.tf", "terraform.tfstate"}


def test_what_terraform_says_reaches_the_error(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text('resource "nothing" {}')
    with pytest.raises(TerraformError, match="terraform init failed"):
        Terraform(tmp_path).init()


def test_missing_binary_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TerraformError, match=r"install Terraform >= 1\.9"):
        Terraform(tmp_path)


def test_old_binary_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = tmp_path / "terraform"
    binary.write_text('#!/bin/sh\necho \'{"terraform_version": "1.8.5"}\'\n')
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(TerraformError, match=r"version 1\.8\.5: install version 1\.9 or newer"):
        Terraform(tmp_path)


def test_named_mirror_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(terraform_module.MIRROR_VARIABLE, str(tmp_path))
    with pytest.raises(TerraformError, match="does not hold"):
        Terraform(tmp_path)


def test_unreachable_registry_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "main.tf", tmp_path)
    monkeypatch.setattr(terraform_module, "find_mirror", lambda: None)
    # Nothing listens there: the registry is out of reach wherever this test runs.
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(tmp_path / "missing.rc"))
    with pytest.raises(TerraformError, match="TF_PLUGIN_MIRROR"):
        Terraform(tmp_path).init()


def test_a_persons_own_aws_settings_stay_out(
    cloud: LocalCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    terraform = Terraform(tmp_path, environment=cloud.environment())
    assert "AWS_PROFILE" not in terraform.environment
    assert terraform.environment["AWS_ENDPOINT_URL"] == cloud.endpoint_url
