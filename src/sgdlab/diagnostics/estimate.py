"""What a measurement on a sample gives: a number and how far it may be off."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from sgdlab.errors import UserError


@dataclass(frozen=True)
class Estimate:
    """Of each run."""

    value: Tensor  # (R,) float64
    standard_error: Tensor  # (R,) float64, 0 where nothing was sampled


def jackknife_covariance(deviations: Tensor) -> Tensor:
    """Return the delete-one jackknife's covariance of k estimates: ``(R, k, s)`` → ``(R, k, k)``.

    Parameters
    ----------
    deviations
        θ_j − θ_j(i): each estimate less what it is without the i-th of s draws.
    """
    num_draws = deviations.shape[2]
    return (num_draws - 1) / num_draws * (deviations @ deviations.transpose(1, 2))


def refuse_few(name: str, num_draws: int, least: int) -> None:
    """Refuse too small a number of draws.

    Raises
    ------
    UserError
        If there is no standard error with so few.
    """
    if num_draws < least:
        raise UserError(f"{name}={num_draws} must be at least {least}: a standard error needs as many")
