"""Tables under a customer key, and under DynamoDB's own."""

from __future__ import annotations

from localcloud import LocalCloud

KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def test_a_table_under_the_key_of_dynamodb_describes_no_encryption(cloud: LocalCloud) -> None:
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName="keyed",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "h", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "h", "AttributeType": "S"}],
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": KEY},
    )
    described = dynamodb.describe_table(TableName="keyed")["Table"]["SSEDescription"]
    assert (described["Status"], described["KMSMasterKeyArn"]) == ("ENABLED", KEY)
    dynamodb.update_table(TableName="keyed", SSESpecification={"Enabled": False})
    assert "SSEDescription" not in dynamodb.describe_table(TableName="keyed")["Table"]
