"""Loss and hits of each example, for R runs side by side, from what their networks put out.

=============  ==========================================================================================
cross_entropy  −log softmax(z)_y; of a sequence, the mean over its steps
squared_error  ½·‖z − e_y‖², e_y the label's unit vector (assumed: lssr2022 doesn't say how it scales)
bernoulli      −Σ_i [x_i·log σ(z_i) + (1 − x_i)·log(1 − σ(z_i))] over an input's numbers x_i in [0, 1], which
               the network is to give back
=============  ==========================================================================================
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

LossKind = Literal["cross_entropy", "squared_error", "bernoulli"]


def example_losses(kind: LossKind, logits: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of each example: ``(R, B)``.

    Parameters
    ----------
    kind
        Which loss.
    logits
        Outputs ``(R, B, C)``; of sequences of T steps ``(R, B, T, C)``; of `bernoulli` as many as an
        input has numbers.
    inputs
        What the network was given, ``(R, B, …)``.
    labels
        ``(R, B)``, or ``(R, B, T)`` of sequences; `bernoulli` has no use for them.
    """
    if kind == "cross_entropy":
        losses = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none")
        return losses.view(labels.shape) if labels.dim() == 2 else losses.view(labels.shape).mean(dim=2)
    if kind == "squared_error":
        classes = torch.arange(logits.shape[-1], device=labels.device)  # F.one_hot has no form for vmap
        targets = (labels.unsqueeze(-1) == classes).to(logits)
        return (logits - targets).square().sum(dim=2) / 2
    return _bernoulli(logits, inputs.flatten(2)).sum(dim=2)


def hits(kind: LossKind, logits: Tensor, labels: Tensor) -> Tensor | None:
    """Return where the largest output is the label's, shaped as the labels; None of `bernoulli`."""
    return None if kind == "bernoulli" else logits.argmax(dim=-1) == labels


def _bernoulli(logits: Tensor, targets: Tensor) -> Tensor:
    """Return max(z, 0) − x·z + log(1 + e^−|z|), of which gradient and Hessian are right where z isn't 0.

    At 0 the gradient is. `F.binary_cross_entropy_with_logits` computes the last few elements of its gradient
    otherwise than the others, and only the last run has those.
    """
    magnitude = logits.abs()
    return (logits + magnitude) / 2 - logits * targets + torch.log1p(torch.exp(-magnitude))
