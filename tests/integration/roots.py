"""The Terraform roots of these tests, each a fixture of pytest-terraform.

Imported once, by ``plugin.register``: a second registration of a root would break its session
scope.
"""

from pytest_terraform import terraform

# test_lifecycle destroys it; without that test it goes with the local cloud.
terraform("two_fleets", scope="session", replay=False, teardown=terraform.TEARDOWN_OFF)
