"""What an eigensolver needs to know of a matrix, and what the matrices of a risk have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from sgdlab.diagnostics.risk import EmpiricalRisk
from sgdlab.errors import UserError


class SymmetricOperator(Protocol):
    """R symmetric matrices of P×P, known by their products."""

    @property
    def shape(self) -> tuple[int, int]:
        """(R, P)."""
        ...

    @property
    def like(self) -> Tensor:
        """A tensor of the type and on the device of the vectors."""
        ...

    def __call__(self, vectors: Tensor) -> Tensor:
        """Multiply each run's matrix by its vector: ``(R, P)`` → ``(R, P)``."""
        ...


@dataclass(frozen=True)
class OfRisk:
    """A matrix for each run of a risk, over its parameters."""

    risk: EmpiricalRisk

    @property
    def shape(self) -> tuple[int, int]:
        """(R, P)."""
        return self.risk.num_runs, self.risk.num_parameters

    @property
    def like(self) -> Tensor:
        """A parameter."""
        return self.risk.parameters[0].detach()

    def refuse_other_shapes(self, vectors: Tensor) -> None:
        """Raise UserError where vectors aren't ``(R, P)``."""
        if vectors.shape != self.shape:
            raise UserError(
                f"vectors of {tuple(vectors.shape)} for matrices of {self.shape}: (runs, parameters)"
            )
