"""Log groups: their keys."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import LocalCloud


def test_a_log_group_gets_a_key_and_loses_it(cloud: LocalCloud) -> None:
    logs, kms = cloud.client("logs"), cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    logs.create_log_group(logGroupName="keyed")

    def key_of_group() -> Any:
        (group,) = logs.describe_log_groups(logGroupNamePrefix="keyed")["logGroups"]
        return group.get("kmsKeyId")

    logs.associate_kms_key(logGroupName="keyed", kmsKeyId=key)
    assert key_of_group() == key
    logs.disassociate_kms_key(logGroupName="keyed")
    assert key_of_group() is None


def test_a_key_that_cannot_encrypt_is_rejected(cloud: LocalCloud) -> None:
    logs, kms = cloud.client("logs"), cloud.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    kms.disable_key(KeyId=key)
    logs.create_log_group(logGroupName="unkeyed")
    for kms_key in (key, key[:-12] + "0" * 12):
        with pytest.raises(logs.exceptions.InvalidParameterException):
            logs.associate_kms_key(logGroupName="unkeyed", kmsKeyId=kms_key)
        with pytest.raises(logs.exceptions.InvalidParameterException):
            logs.create_log_group(logGroupName="rejected", kmsKeyId=kms_key)


def test_a_key_of_no_log_group(cloud: LocalCloud) -> None:
    logs = cloud.client("logs")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        logs.disassociate_kms_key(logGroupName="no-such-group")
