"""A million devices: the package's rules on arrays, under the quotas of AWS.

The simulator runs the package's own handlers, one device after the other: a million of them would
take days. Here a device is a place in some arrays, and time passes second by second. The decisions
are those of the package, the calls of each step are recorded from its handlers (``profile``), and
the retries come from the module's definitions (``backoff``). ``crosscheck`` plays a workload with
the handlers under equal quotas, and a test compares both.

- ``profile``      the calls of each step, recorded from the package's handlers
- ``backoff``      how long a step waits before its next attempt
- ``workload``     what happens to the devices: when each tries, fails and recovers
- ``event_queue``  the work that is due in each second
- ``records``      the table of records, as arrays, and the rules by which they change
- ``audit_log``    the outcome of each failure, for the audit
- ``engine``       time, work and calls
- ``devices``, ``intake``, ``recoveries``, ``reconciler``  the workers
- ``model``        all of them, put together
- ``tally``        what was counted during a run
- ``bill``         the cost of a run
- ``audit``        whether a device or a count was lost, or a failure counted twice
- ``crosscheck``   the same workload, played by the package's own handlers
- ``million``      a bad release hits a million devices
- ``ladders``      a user's own fleet, on one ladder or several
"""
