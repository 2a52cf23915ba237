"""A million devices: the package's rules on arrays, under the quotas of AWS.

The simulator of the parent package runs the package's own handlers, one device after the other: a
million of them would take days. Here a device is a place in some arrays, and time goes on second by
second. What is decided there is what the package decides; what a step calls is recorded from the
handlers (``profile``), and how it is retried is read from the module's definitions (``backoff``).
That both are the same is tested: ``witness`` plays a story with the handlers, under equal quotas.

- ``quotas``    what AWS lets an account do a second, and the buckets that hold it to that
- ``profile``   the calls of each step, recorded from the package's handlers
- ``backoff``   how long a step waits before it is tried again
- ``story``     what happens to the devices: when each tries, fails and recovers
- ``agenda``    what is to be done in which second
- ``records``   the table of records, as arrays, and the rules by which they change
- ``ledger``    what became of each failure, for the audit
- ``engine``    time, work and calls
- ``devices``, ``intake``, ``recoveries``, ``caretakers``   who does which work
- ``model``     all of them, put together
- ``tally``     what was counted while it ran
- ``bill``      what that costs
- ``audit``     whether a device or a count was lost, or a failure counted twice
- ``witness``   the same story, told by the package's own handlers
- ``storm``     a bad release hits a million devices
- ``ladders``   a user's own fleet, on one ladder or several
"""
