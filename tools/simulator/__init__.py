"""The package and its state machines in one process, on fake time, with faults drawn by a seed.

In the way FoundationDB tests itself: everything random comes of one seed, so that a seed that
fails replays exactly, event for event. Read in this order:

- ``model``       the specification: what is to become of a device
- ``watch``, ``rest``  the invariants: at every moment, and once nothing is left to happen
- ``journey``     a seed's world: its devices, its people, its faults
- ``faults``      the kinds of faults
- ``world``       the parts put together, and the seams by which the package is brought in
- ``functions``, ``machines``, ``asl``, ``definitions``  Lambda and Step Functions
- ``cloud``       the other services, in memory
- ``scheduler``, ``trace``  time, and what happened

``python -m simulator soak --journeys 1000`` runs many, ``python -m simulator replay SEED`` shows
one.
"""
