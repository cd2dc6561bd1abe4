"""Learning-rate schedules as exact functions of the update number."""

from __future__ import annotations

import math
from typing import assert_never

import torch
from torch import Tensor

from sgdlab.config.components import ConstantSchedule, HoldThenDecaySchedule, Schedule


def relative_learning_rates(schedule: Schedule, updates: Tensor, num_updates: int) -> Tensor:
    """Return lr(u)/lr(0) for the given update numbers of a run of `num_updates`: same shape, float64.

    `HoldThenDecaySchedule` with its defaults is smith2020's (§3): constant for the first half, then halved at
    ten equal intervals of the rest, the first time as the hold ends. With five drops it is smith2021's (§4,
    "every remaining tenth of training", assumed to mean five). There is no further drop when the division
    leaves a few updates over.
    """
    match schedule:
        case ConstantSchedule():
            return torch.ones(updates.shape, dtype=torch.float64)
        case HoldThenDecaySchedule():
            hold = math.floor(num_updates * schedule.hold_fraction + 1e-9)  # 0.29·100 is 29
            interval = max(1, (num_updates - hold) // max(1, schedule.num_drops))
            drops = ((updates - hold) // interval + 1).clamp(min=0, max=schedule.num_drops)
            return torch.tensor(schedule.factor, dtype=torch.float64) ** (-drops)
        case _:
            assert_never(schedule)
