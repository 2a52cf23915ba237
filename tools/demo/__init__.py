"""``make demo``: the module at work on a laptop, from MQTT devices to a picture of what happened.

- ``fleet_plan`` which devices there are, and where each has to end
- ``devices``    devices on MQTT that take jobs of AWS IoT and succeed or fail at them
- ``account``    things, a dynamic thing group and a job, which a fleet has before this module
- ``journeys``   events of each device, from the histories that Step Functions keeps
- ``report``     the table and the timeline, for the terminal and as a page
- ``dashboard``  the deployed dashboard as a picture
"""
