"""The Lambda package of the firmware retry workflow: one handler module a step, few shared modules.

- ``handlers/``  one entry point a step, thin: parse the event, call the module that knows
- ``message``    what a device (or a job event) says, validated once at the edge
- ``record``     the table ``DeviceFirmwareRetries`` and its conditional writes
- ``backup``     the table ``DeviceAttributeBackup``: the original attributes
- ``registry``   the things of AWS IoT: attributes under optimistic locking, groups
- ``recovery``   the overwriting and restoring that the two recovery workflows share
- ``alerts``     what people and machines are told
- ``settings``, ``aws``, ``ambient``, ``errors``  configuration, calls, time and chance, errors

Only the standard library and botocore are used: the Lambda runtime has both.
"""
