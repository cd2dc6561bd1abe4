"""Of each example's gradient g_i = ∇ℓ_i + l2·ω: its squared length, and its projection on a vector.

Lengths take the gradients themselves, some at a time by vmap: their cost is that of writing R·P numbers an
example, which a batch's gradient never does. On one CPU core, in gradients of the same 256 examples: 2 for a
small convolutional network, 4 for an MLP 40-100-100-10, 11 and 16 for 784-128-128-10 and 784-512-512-10 (one
by one 17, 130, 95 and 24), and a third more about a centre. Projections come by forward mode, for 1 to 1.5
gradients, and no example's gradient is written.

Each ℓ_i must be a function of its own example: a model whose outputs change with what else is in the chunk
is refused. Ghost batches, which take the example's place where batch normalisation mixes them, go one by one.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import torch
from torch import Tensor
from torch.func import grad, jvp, vmap

from sgdlab.diagnostics.risk import EmpiricalRisk, refuse_not_finite
from sgdlab.diagnostics.vectors import Tensors, dot, shape_like
from sgdlab.errors import UserError

_NUMBERS_AT_ONCE = 2**23  # 32 MB in float32: glibc gives larger blocks back, and each new one is slow
_SAME_OUTPUTS = 1e-2  # of the largest output: far above rounding, far below what a mask or a mean does


def squared_norms(
    risk: EmpiricalRisk, *, centre: Tensor | None = None, gradients_at_once: int | None = None
) -> Tensor:
    """Return ‖g_i‖² of each run and example, or ‖g_i − centre‖²: ``(R, N)`` float64.

    Parameters
    ----------
    risk
        Over N examples.
    centre
        ``(R, P)``. With the mean gradient, small differences of large gradients are found without loss.
    gradients_at_once
        How many examples' gradients are alive: memory grows by R·P numbers for each. By default as many as
        make 2²³ numbers, at most a chunk: best on a CPU, where a GPU has room for more. One at a time needs
        no vmap.

    Raises
    ------
    UserError
        If vmap can't take the model, the outputs of an example change with its company, or the number is
        out of range.
    NotFiniteError
        If a gradient isn't finite.
    """
    if gradients_at_once is None:
        fitting = _NUMBERS_AT_ONCE // (risk.num_runs * risk.num_parameters)
        gradients_at_once = max(1, min(risk.chunk_size, fitting))
    if gradients_at_once < 1:
        raise UserError(f"gradients_at_once={gradients_at_once} must be at least 1")
    _refuse_mixed_examples(risk)
    offset = _offset(risk, centre)
    if risk.unit == "ghost batch" or gradients_at_once == 1:
        found = torch.cat([_norms(_gradient(risk, one), offset) for one in torch.split(risk.examples, 1)])
    else:
        groups = torch.split(risk.examples, gradients_at_once)
        found = torch.cat([_norms(_gradients_by_vmap(risk, group), offset) for group in groups])
    return refuse_not_finite(found.T.contiguous(), "an example's gradient")


def projections(risk: EmpiricalRisk, vectors: Tensor) -> Tensor:
    """Return g_i·v of each run and example: ``(R, P)`` → ``(R, N)`` float64.

    Raises
    ------
    UserError
        If the vectors have another shape, or the model has an operation without a forward derivative.
    NotFiniteError
        If a projection isn't finite.
    """
    shape = (risk.num_runs, risk.num_parameters)
    if vectors.shape != shape:
        raise UserError(f"vectors of {tuple(vectors.shape)} for gradients of {shape}: (runs, parameters)")
    parameters = tuple(p.detach() for p in risk.parameters)
    tangents = shape_like(vectors, parameters)
    parts = []
    for chunk in risk.chunks():

        def losses(*parameters: Tensor, chunk: Tensor = chunk) -> Tensor:
            return risk.example_losses(parameters, chunk)

        try:
            parts.append(jvp(losses, parameters, tangents)[1].detach().double())
        except (RuntimeError, NotImplementedError) as error:
            raise _refusal("forward mode (torch.func.jvp) can't differentiate the model", error) from error
    found = torch.cat(parts, dim=1)
    if risk.l2 is not None:
        found += (risk.l2.double() * dot(risk.point(), vectors)).unsqueeze(1)
    return refuse_not_finite(found, "a projection of an example's gradient")


def _gradient(risk: EmpiricalRisk, example: Tensor) -> Tensors:
    """Return ∇ℓ_i of one example, each ``(1, R, …)``."""
    leaves = risk.leaves()
    losses = risk.example_losses(leaves, example)
    gradients = torch.autograd.grad(losses.sum(), leaves, materialize_grads=True)
    return tuple(g.unsqueeze(0) for g in gradients)


def _gradients_by_vmap(risk: EmpiricalRisk, examples: Tensor) -> Tensors:
    """Return ∇ℓ_i of each example, each ``(b, R, …)``; the runs are independent, so their sum will do."""

    def summed(parameters: Tensors, example: Tensor) -> Tensor:
        return risk.example_losses(parameters, example).sum()

    parameters = tuple(p.detach() for p in risk.parameters)
    try:
        found: Tensors = vmap(grad(summed), in_dims=(None, 0))(parameters, examples.unsqueeze(1))
    except (RuntimeError, NotImplementedError) as error:
        way_out = "; gradients_at_once=1 takes them one by one"
        raise _refusal("vmap can't take the gradients of several examples", error, way_out) from error
    return found


def _offset(risk: EmpiricalRisk, centre: Tensor | None) -> Tensors | None:
    """Return centre − l2·ω, what ∇ℓ_i is measured from, each ``(R, …)``; None where that is 0."""
    if centre is None and risk.l2 is None:
        return None
    rows = torch.zeros_like(risk.point()) if centre is None else centre
    if risk.l2 is not None:
        rows = rows - risk.l2.unsqueeze(1) * risk.point()
    return shape_like(rows, risk.parameters)


def _norms(gradients: Tensors, offset: Tensors | None) -> Tensor:
    """Return squared lengths over all tensors: each ``(b, R, …)`` → ``(b, R)`` float64."""
    parts = gradients if offset is None else (g - o for g, o in zip(gradients, offset, strict=True))
    lengths = [
        torch.linalg.vector_norm(p.flatten(2), dim=2, dtype=torch.float64) for p in parts
    ]  # one by one
    return torch.stack(lengths).square().sum(dim=0)


@torch.no_grad()
def _refuse_mixed_examples(risk: EmpiricalRisk) -> None:
    """Compare an example's outputs alone and in a chunk."""
    chunk = next(risk.chunks())
    together, alone = (risk.outputs(risk.parameters, examples)[:, -1] for examples in (chunk, chunk[-1:]))
    if bool((together - alone).abs().amax() > _SAME_OUTPUTS * together.abs().amax()):
        raise UserError(
            "the model's outputs for an example change with the other examples of its chunk, so it has no "
            "gradient of its own: a layer takes means over the batch, or draws masks (dropout): measure with "
            "mode='eval', or give ghost_batch_size (1 keeps each example by itself)"
        )


def _refusal(what: str, error: Exception, way_out: str = "") -> Exception:
    """Say which line of the model it was; memory that ran out is no fault of the model's."""
    if isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error):
        return error
    inside_torch = Path(torch.__file__).parent
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames if inside_torch not in Path(f.filename).parents]
    where = f"{Path(outside[-1].filename).name}:{outside[-1].lineno}, {outside[-1].line}"
    return UserError(f"{what} ({where}): {str(error).splitlines()[0]}{way_out}")
