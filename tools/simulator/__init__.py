"""The package and its state machines in one process, on fake time, with faults drawn by a seed.

Everything random comes from one seed, as in FoundationDB's own tests, so that a seed that fails
replays exactly, event for event. Read in this order:

- ``reference_model``  the specification: what becomes of a device
- ``safety_checks``, ``campaign_checks``, ``liveness_checks``  the invariants: at every moment, and
  once nothing is left to happen; ``checks`` is what they share
- ``scenario``    a seed: its world with devices, operators, faults, and the checkers it registers
- ``devices``, ``operators``, ``registry_edits``, ``faults``  what happens to the deployment
- ``world``       the deployment, and where others hook in
- ``account``, ``aws``  the account and its services, in memory
- ``functions``, ``machines``, ``schedules``, ``asl``, ``definitions``  Lambda, Step Functions and
  EventBridge Scheduler
- ``seams``       where the package gets its clients, clock and environment
- ``scheduler``, ``trace``  time, and what happened

``python -m simulator soak --journeys 1000`` runs many, ``python -m simulator replay SEED`` shows
one.
"""
