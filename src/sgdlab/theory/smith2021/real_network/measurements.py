"""What is measured: mean iterates by mελ_max, for few large batches and for many small ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sgdlab.theory.order_population import Shuffles
from sgdlab.theory.smith2021.real_network.mean_iterate import MeanIterate, mean_iterates
from sgdlab.theory.smith2021.real_network.setting import Setting

ONE_EPOCH = Shuffles(batch_size=32, num_epochs=1, num_groups=24, group_size=120)
FOUR_EPOCHS = Shuffles(batch_size=32, num_epochs=4, num_groups=24, group_size=40)
EIGHT_EPOCHS = Shuffles(batch_size=32, num_epochs=8, num_groups=24, group_size=56)
SMALL_BATCHES = Shuffles(batch_size=8, num_epochs=1, num_groups=24, group_size=48)

SMALL_TIMES = (0.05, 0.1, 0.2, 0.4)  # to these the orders as ε → 0 are fitted
FIXED_TIME = 0.4  # in units of 1/λ_max: 8 epochs of an eighth of it, 4, 2, or 1
ONE_EPOCH_TIMES = (*SMALL_TIMES, 0.8, 1.6, 3.2, 6.4, 12.8, 16.0)
FOUR_EPOCHS_TIMES = (FIXED_TIME / 4, FIXED_TIME / 2, 0.8, 3.2, 6.4, 12.8)
SMALL_BATCHES_TIMES = (0.2, 0.8, 3.2, 12.8, 25.6)


@dataclass(frozen=True)
class Measurements:
    """Mean iterates by mελ_max, the time of an epoch in units of 1/λ_max, ascending."""

    one_epoch: dict[float, MeanIterate]
    four_epochs: dict[float, MeanIterate]
    small_batches: dict[float, MeanIterate]  # after one epoch
    fixed_time: dict[float, MeanIterate]  # after 8, 4, 2 and 1 epochs


def measure(setting: Setting) -> Measurements:
    """Train the populations, and follow the flows beside them."""

    def at(
        shuffles: Shuffles, times: Sequence[float], after: Sequence[int]
    ) -> dict[float, dict[int, MeanIterate]]:
        lrs = [setting.lr(time, shuffles) for time in times]
        return dict(zip(times, mean_iterates(setting.problem, shuffles, lrs, after), strict=True))

    one = at(ONE_EPOCH, ONE_EPOCH_TIMES, (1,))
    four = at(FOUR_EPOCHS, FOUR_EPOCHS_TIMES, (2, 4))
    eight = at(EIGHT_EPOCHS, (FIXED_TIME / 8,), (8,))
    small = at(SMALL_BATCHES, SMALL_BATCHES_TIMES, (1,))
    fixed = ((eight, 8), (four, 4), (four, 2), (one, 1))
    return Measurements(
        one_epoch={time: after[1] for time, after in one.items()},
        four_epochs={time: after[4] for time, after in four.items()},
        small_batches={time: after[1] for time, after in small.items()},
        fixed_time={FIXED_TIME / num: found[FIXED_TIME / num][num] for found, num in fixed},
    )
