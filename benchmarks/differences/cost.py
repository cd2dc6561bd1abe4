"""What a step costs with each estimator: in arithmetic, and in CPU time as multiples of a plain step."""

from __future__ import annotations

import math
import statistics
import time
from itertools import pairwise
from typing import Literal

from differences.setting import DATA, Setting, train
from sgdlab.config.components import GradientNormRegularizer, NoRegularizer, Regularizer
from sgdlab.data.dataset import Dataset

Step = Literal["plain", "exact", "forward", "central"]
STEPS: dict[Step, Regularizer] = {
    "plain": NoRegularizer(),
    "exact": GradientNormRegularizer(strength=0.1),
    "forward": GradientNormRegularizer(strength=0.1, estimator="forward_difference"),
    "central": GradientNormRegularizer(strength=0.1, estimator="central_difference"),
}
PACK_WIDTH = 27
_NUM_INPUTS = math.prod(DATA.sample_shape)


def arithmetic(setting: Setting) -> dict[Step, float]:
    """Return multiplications of each step, in those of a plain one.

    With s the sum of the layers' sizes and f the first one's, a gradient multiplies 3s − f times an example:
    activations, weight gradients, and input gradients but for the first layer's. Double backward adds the
    derivative of all that along g, two products for each, but one for what the inputs multiply: 6s − 4f.
    """
    sizes = [a * b for a, b in pairwise((_NUM_INPUTS, *[setting.width] * setting.depth, DATA.num_classes))]
    total, first = sum(sizes), sizes[0]
    return {
        "plain": 1.0,
        "exact": 1 + (6 * total - 4 * first) / (3 * total - first),
        "forward": 2.0,
        "central": 3.0,
    }


def time_ratios(
    setting: Setting, dataset: Dataset, *, num_updates: int, num_rounds: int
) -> dict[Step, float]:
    """Return CPU time of each step over the plain step's of the same round: the median over rounds.

    The estimators take turns, and their order is reversed from round to round.
    """
    ratios: dict[Step, list[float]] = {step: [] for step in STEPS}
    for round_index in range(num_rounds):
        turns = list(STEPS) if round_index % 2 == 0 else list(reversed(STEPS))
        seconds = {step: _step_s(setting, dataset, STEPS[step], num_updates) for step in turns}
        for step in STEPS:
            ratios[step].append(seconds[step] / seconds["plain"])
    return {step: statistics.median(of_rounds) for step, of_rounds in ratios.items()}


def _step_s(setting: Setting, dataset: Dataset, regularizer: Regularizer, num_updates: int) -> float:
    """CPU seconds of an update, from the start of training to its end: no start-up, no import."""
    runs = [setting.run(seed, num_updates, lr=2**-8, regularizer=regularizer) for seed in range(PACK_WIDTH)]
    clock: list[float] = []
    trained = train(runs, dataset, lambda _num_updates: clock.append(time.process_time()))
    return (clock[-1] - clock[0]) / trained.num_updates
