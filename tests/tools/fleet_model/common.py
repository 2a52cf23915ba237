"""Constants and a helper for the tests of the fleet model."""

import numpy as np

from pricing.quotas import QUOTAS, scale

DEVICES = 4_000
SMALL = scale(QUOTAS, DEVICES / 1_000_000)
TICK = 20


def ints(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array(values, np.int32)
