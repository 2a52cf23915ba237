"""What all tests share."""

from functools import cache

import botocore.session

# The description of a service is read once a session of pytest, not once a session of botocore: of
# some services that takes longer than most tests.
botocore.session.create_loader = cache(botocore.session.create_loader)
