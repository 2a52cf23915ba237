"""The Terraform roots of these tests, each a fixture of pytest-terraform.

Imported once, by ``plugin.register``: a second registration of a root would break its session
scope.
"""

from pytest_terraform import terraform

# Whichever is applied goes with the local cloud.
for root in ("two_fleets", "second_fleet"):
    terraform(root, scope="session", replay=False, teardown=terraform.TEARDOWN_OFF)
