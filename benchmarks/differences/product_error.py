"""How far finite differences are from H·g, and from the direction g + (λ/2)·H g that SGD would follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from differences.setting import DATA, REFERENCE, Setting, train
from sgdlab.data.dataset import Dataset
from sgdlab.data.pipeline import ResidentPipeline
from sgdlab.models.build import build_network
from sgdlab.models.network import Network, stack_runs
from sgdlab.training.objective import Minibatches, Objective, Tensors
from sgdlab.training.penalty import DifferencePenalty, ExactPenalty
from sgdlab.training.streams import stream

_LR = 2**-5  # of the training before a trained network is measured


@dataclass(frozen=True)
class Points:
    """R networks of equal shapes with other parameters each, and a minibatch for each."""

    network: Network
    names: tuple[str, ...]
    parameters: Tensors  # (R, …) each
    batch: Minibatches

    @property
    def num_draws(self) -> int:
        """R."""
        return len(self.parameters[0])

    def forward(self, radius: float, strength: float = 0.0) -> DifferencePenalty:
        """Return the estimator by forward differences."""
        return self._difference(radius, strength, is_central=False)

    def central(self, radius: float, strength: float = 0.0) -> DifferencePenalty:
        """Return the estimator by central differences."""
        return self._difference(radius, strength, is_central=True)

    def exact(self, strength: float) -> ExactPenalty:
        """Return double backward."""
        return ExactPenalty(self._objective, self._for_each(strength))

    def _difference(self, radius: float, strength: float, *, is_central: bool) -> DifferencePenalty:
        return DifferencePenalty(
            self._objective, self._for_each(strength), self._for_each(radius), is_central=is_central
        )

    @property
    def _objective(self) -> Objective:
        return Objective(self.network, self.names, l2=None)

    def _for_each(self, value: float) -> Tensor:
        return torch.full((self.num_draws,), value, dtype=self.parameters[0].dtype)


Estimator = Callable[[Points, float, float], DifferencePenalty]
"""(points, radius, λ) → the estimator."""
ESTIMATORS: dict[str, Estimator] = {"forward": Points.forward, "central": Points.central}


@dataclass(frozen=True)
class Band:
    """What many draws have in common: median and 10–90 % band, of any shape."""

    median: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, draws: np.ndarray) -> Band:
        """Reduce the last axis."""
        low, median, high = np.quantile(draws, [0.1, 0.5, 0.9], axis=-1)
        return cls(median, low, high)


@dataclass(frozen=True)
class DirectionErrors:
    """An estimated direction against the exact one."""

    angle: np.ndarray  # (radii, R) degrees
    norm_ratio: np.ndarray  # (radii, R)


def relative_errors(points: Points, estimator: Estimator, radii: Sequence[float]) -> np.ndarray:
    """Return ‖H g by differences − H g‖/‖H g‖ for each radius and draw: ``(radii, R)``."""
    errors = [
        estimator(points, radius, 0.0).relative_error(points.parameters, points.batch) for radius in radii
    ]
    return torch.stack(errors).double().numpy()


def direction_errors(
    points: Points, estimator: Estimator, radii: Sequence[float], strength: float
) -> DirectionErrors:
    """Compare the whole update direction at λ = `strength`."""
    exact = _flat(points.exact(strength)(points.parameters, points.batch)[1])
    angles, ratios = [], []
    for radius in radii:
        estimate = _flat(estimator(points, radius, strength)(points.parameters, points.batch)[1])
        unit, exact_unit = (v / v.norm(dim=1, keepdim=True) for v in (estimate, exact))
        # 2·arcsin(‖u − v‖/2): the arc cosine knows no angle below 1e-8
        angles.append(2 * torch.rad2deg(torch.asin(((unit - exact_unit).norm(dim=1) / 2).clamp(max=1))))
        ratios.append(estimate.norm(dim=1) / exact.norm(dim=1))
    return DirectionErrors(torch.stack(angles).numpy(), torch.stack(ratios).numpy())


def draw_points(
    setting: Setting, dataset: Dataset, *, num_draws: int, num_updates: int, dtype: torch.dtype
) -> Points:
    """Draw initialisations, train them plainly for so many updates, and draw a minibatch for each.

    Points are drawn and trained in float32 and then widened: both precisions see the same ones.
    """
    network = build_network(setting.model, DATA)
    if num_updates:
        alike = replace(setting, batch_size=REFERENCE.batch_size)  # another minibatch, the same networks
        runs = [alike.run(seed, num_updates, lr=_LR) for seed in range(num_draws)]
        drawn = [run.parameters for run in train(runs, dataset)]
    else:
        drawn = [network.initial_parameters(stream(seed, "init")) for seed in range(num_draws)]
    stacked = {name: values.to(dtype) for name, values in stack_runs(iter(drawn), torch.float32).items()}
    return Points(
        network,
        tuple(stacked),
        tuple(values.requires_grad_() for values in stacked.values()),
        _draw_minibatches(dataset, num_draws, setting.batch_size, dtype),
    )


def _draw_minibatches(dataset: Dataset, num_draws: int, batch_size: int, dtype: torch.dtype) -> Minibatches:
    pipeline = ResidentPipeline(DATA, dataset, torch.device("cpu"), dtype)
    generator = torch.Generator().manual_seed(0)
    indices = torch.stack(
        [torch.randperm(DATA.num_train, generator=generator)[:batch_size] for _ in range(num_draws)]
    )
    return Minibatches(*pipeline.train_batch(indices, None))


def _flat(tensors: Tensors) -> Tensor:
    """Join each run's tensors to one vector in float64: ``(R, P)``."""
    return torch.cat([t.flatten(1) for t in tensors], dim=1).double()
