"""The Lambda package of the firmware retry workflow.

``handlers/`` has the entry point of each step. It parses the event and calls a module beside it.

Pure modules, which call nothing but ``clock``:

- ``message``   a message of a device or of AWS IoT Jobs, validated once, at the edge
- ``record``    the record of a device: states, recovery runs, decisions
- ``errors``    the errors, whose names the state machines match
- ``settings``  the configuration, from the environment
- ``clock``     time and chance

Modules that call AWS:

- ``aws``              all calls, and AWS's errors as those of this package
- ``registry``         things and groups of AWS IoT, under optimistic locking
- ``executions``       the recovery runs in Step Functions
- ``retries_table``    the table ``DeviceFirmwareRetries``: the records and their conditional writes
- ``backup_table``     the table ``DeviceAttributeBackup``: the original attributes
- ``history_table``    the table ``DeviceFirmwareHistory``: the transitions
- ``campaigns_table``  the table ``FirmwareCampaigns``: paused campaigns

Modules that do the work of the steps:

- ``intake``         count a failure
- ``clear``          end an episode after a success, or for another campaign
- ``recovery``       overwrite and restore attributes, join the failed group
- ``release``        release a device for an operator
- ``reconcile``      finish what lost recoveries left undone, with ``fleet_scan`` and ``breaker``
- ``strays``         restore things that hold marks without an episode
- ``alerts``         publish alerts for machines
- ``operator_mail``  send e-mails to operators, with ``emails``

Only the standard library and botocore are used: the Lambda runtime has both.
"""
