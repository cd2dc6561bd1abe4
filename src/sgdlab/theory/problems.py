"""The losses that the checks are made on: smooth, small, in float64, on real examples.

A problem has N examples with a cost each. Parameters are one flat vector, ``(P,)``; with a leading axis,
``(R, P)``, they are R points at once, each with its own examples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.data.digits import read_digits
from sgdlab.models.mlp import Mlp
from sgdlab.training.objective import Minibatches, Objective


@dataclass(frozen=True)
class Problem:
    """Examples' costs C_j(ω), and where training starts."""

    num_examples: int
    start: Tensor  # (P,) float64
    costs: Callable[[Tensor, Tensor], Tensor]  # parameters (R, P), examples (R, B) → costs (R, B)

    def gradients(self, parameters: Tensor, examples: Tensor) -> Tensor:
        """Return the gradients ``(R, P)`` of the mean costs of examples ``(R, B)`` at ``(R, P)``."""
        with torch.enable_grad():
            point = parameters.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.costs(point, examples).mean(dim=1).sum(), point)
        return gradient

    def batches(self, num_batches: int) -> Tensor:
        """Split all examples, in their order, in m equal batches: ``(m, B)``.

        Raises
        ------
        ValueError
            If m doesn't divide N: the theory is of equal batches.
        """
        if self.num_examples % num_batches:
            raise ValueError(f"{self.num_examples} examples don't make {num_batches} equal batches")
        return torch.arange(self.num_examples).view(num_batches, -1)


def digits_mlp(num_examples: int, hidden_widths: Sequence[int] = (4,), seed: int = 0) -> Problem:
    """Return the cross-entropy of a tanh MLP on the first digits of the training set, pixels from −1 to 1."""
    arrays = read_digits()
    inputs = torch.from_numpy(arrays.train_inputs[:num_examples]).double().flatten(1) / 127.5 - 1
    labels = torch.from_numpy(arrays.train_labels[:num_examples]).long()
    network = Mlp((inputs.shape[1], *hidden_widths, 10), "tanh")
    initial = network.initial_parameters(torch.Generator().manual_seed(seed))
    objective = Objective(network, tuple(initial), l2=None)
    shapes = [value.shape for value in initial.values()]
    sizes = [shape.numel() for shape in shapes]

    def costs(parameters: Tensor, examples: Tensor) -> Tensor:
        pieces = torch.split(parameters, sizes, dim=1)
        layers = tuple(piece.view(-1, *shape) for piece, shape in zip(pieces, shapes, strict=True))
        return objective.example_losses(layers, Minibatches(inputs[examples], labels[examples]))

    return Problem(num_examples, torch.cat([value.flatten() for value in initial.values()]), costs)


def quadratic(hessians: Tensor, minima: Tensor, start: Tensor) -> Problem:
    """Return C_j(ω) = ½ (ω − a_j)ᵀ A_j (ω − a_j) for A ``(N, P, P)``, symmetric, and a ``(N, P)``."""

    def costs(parameters: Tensor, examples: Tensor) -> Tensor:
        away = parameters[:, None] - minima[examples]
        return 0.5 * torch.einsum("rbp,rbpq,rbq->rb", away, hessians[examples], away)

    return Problem(len(minima), start, costs)
