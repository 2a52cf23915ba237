"""What the tests of this folder share besides fixtures."""

ROLE = "arn:aws:iam::123456789012:role/any"
