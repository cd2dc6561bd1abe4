"""The cost of a minibatch that is computed in pieces: shared by ranks, a share part after part, or both.

A piece counts by its number of examples, so that the mean is that of the minibatch where pieces are uneven.
The penalty's gradient takes two passes: g is summed over all pieces first, and then each piece's H_p·g, for
the g of the whole: Σ_p w_p·H_p·g = H·g. Differentiating ‖g_p‖² of the pieces, as a backward pass through an
all-reduce of gradients would have it, gives Σ_p w_p·H_p·g_p: another penalty, of smaller batches. A share in
one part keeps its graph for the second pass; one in several builds each part's again, so that the activations
of one part are all that is held at a time.

Minibatches are cut between examples that belong together (`Network.num_inseparable`). So ghosts stay whole,
and their statistics are those of the whole minibatch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.config.schema import Run
from sgdlab.config.shapes import micro_batch_size_of, part_of
from sgdlab.errors import UsageError
from sgdlab.models.build import build_network
from sgdlab.training.objective import AlongGradients, Minibatches, Objective, Tensors
from sgdlab.training.ranks import ALONE, Ranks


@dataclass(frozen=True)
class SplitObjective(Objective):
    """An objective of whole minibatches; each rank computes its own share of the examples, part after part.

    What a pass observes of buffers is taken to be their mean over its examples, of all buffers there are.
    """

    ranks: Ranks = ALONE
    examples_per_pass: int | None = None  # of one run, at most; None: the whole share

    def gradients(self, parameters: Tensors, batch: Minibatches) -> tuple[Tensor, Tensors]:
        """Return losses ``(R,)`` and ∇C_k of each run's whole minibatch."""
        pieces = (self._piece(parameters, batch, part) for part in self._parts(batch))
        return self._whole(parameters, batch, pieces)

    def gradients_and_product(
        self, parameters: Tensors, batch: Minibatches, along: AlongGradients
    ) -> tuple[Tensor, Tensors, Tensors]:
        """Return losses, g = ∇C_k and H_k·along(g) of each run's whole minibatch."""
        parts = self._parts(batch)
        kept = self._piece(parameters, batch, parts[0], create_graph=True) if len(parts) == 1 else None
        losses, total = self._whole(parameters, batch, [kept]) if kept else self.gradients(parameters, batch)
        with torch.no_grad():
            vectors = along(total)

        def product(part: slice) -> Tensors:
            piece = kept or self._piece(parameters, batch, part, create_graph=True)
            return torch.autograd.grad(
                piece.gradients, parameters, grad_outputs=vectors, materialize_grads=True
            )

        products = self.ranks.sum(_added(map(product, parts), parameters))
        return losses, total, self._add_l2(tuple(products), vectors)

    def _parts(self, batch: Minibatches) -> list[slice]:
        """Cut this rank's share."""
        num_examples = batch.labels.shape[1]
        own = self.ranks.share(num_examples, self.network.num_inseparable or num_examples)
        size = self.examples_per_pass or max(1, own.stop - own.start)
        return [slice(start, min(start + size, own.stop)) for start in range(own.start, own.stop, size)]

    def _piece(
        self, parameters: Tensors, batch: Minibatches, part: slice, *, create_graph: bool = False
    ) -> _Piece:
        """Compute what a part adds to the whole."""
        draws = None if batch.draws is None else batch.draws[:, part].contiguous()
        inputs, labels = (of[:, part].contiguous() for of in (batch.inputs, batch.labels))
        own = Minibatches(inputs, labels, draws, batch.buffers)
        losses = self.example_losses(parameters, own)
        num_examples = batch.labels.shape[1]
        sums = losses.sum(dim=1) / num_examples
        gradients = torch.autograd.grad(sums.sum(), parameters, create_graph=create_graph)
        weight = losses.shape[1] / num_examples
        observed = tuple(weight * own.observed[name] for name in _unobserved(batch))
        return _Piece(sums.detach(), gradients, observed)

    def _whole(
        self, parameters: Tensors, batch: Minibatches, pieces: Iterable[_Piece]
    ) -> tuple[Tensor, Tensors]:
        """Add up this rank's pieces and those of the others; the first pass over a batch observes it."""
        names = _unobserved(batch)
        like = [
            parameters[0].new_zeros(len(parameters[0])),
            *parameters,
            *(batch.buffers[name] for name in names),
        ]
        losses, *found = self.ranks.sum(_added((piece.tensors() for piece in pieces), like))
        batch.observed.update(zip(names, found[len(parameters) :], strict=True))
        return losses, self._add_l2(tuple(found[: len(parameters)]), parameters)


def refuse_unsplittable(run: Run, num_devices: int, examples_per_pass: int | None) -> None:
    """Refuse to split minibatches of a network that takes more examples together.

    Raises
    ------
    UsageError
        With what would do.
    """
    part, batch_size = part_of(run, examples_per_pass), run.optimizer.batch_size
    micro_batch_size = micro_batch_size_of(run.regularizer)
    if part is not None and micro_batch_size is not None:
        raise UsageError(
            f"launcher.examples_per_pass={part} can't cut a minibatch whose micro-batches are penalised "
            f"together: regularizer.micro_batch_size={micro_batch_size}; use launcher.examples_per_pass=null"
        )
    asked = [f"launcher.devices_per_run={num_devices}"] if num_devices > 1 else []
    asked += [f"launcher.examples_per_pass={part}"] if part else []
    together = build_network(run.model, run.data).num_inseparable
    if micro_batch_size is not None:
        _refuse_cutting_what_belongs_together(run.model.kind, together, micro_batch_size)
        batch_size = micro_batch_size
    if not asked or together == 1:
        return
    if together is None:
        at_once = " or set model.ghost_size" if hasattr(run.model, "ghost_size") else ""
        raise UsageError(
            f"{' and '.join(asked)} would split minibatches, and model={run.model.kind} takes whole ones; "
            f"use launcher.devices_per_run=1 and launcher.examples_per_pass=null{at_once}"
        )
    if part and part % together:
        fitting = " or ".join(map(str, _multiples_around(part, together, batch_size)))
        raise UsageError(
            f"launcher.examples_per_pass={part} must be a multiple of the {together} examples that "
            f"model={run.model.kind} takes together; use {fitting}"
        )
    num_groups = max(1, batch_size // together)
    if num_devices > num_groups:
        raise UsageError(
            f"launcher.devices_per_run={num_devices} is more than a minibatch can be split over: the "
            f"{batch_size} examples are {num_groups} times the {together} that model={run.model.kind} takes "
            f"together; use at most {num_groups}"
        )


def _refuse_cutting_what_belongs_together(kind: str, together: int | None, micro_batch_size: int) -> None:
    if together is None or micro_batch_size % together:
        which = "whole minibatches" if together is None else f"{together} examples together"
        raise UsageError(
            f"regularizer.micro_batch_size={micro_batch_size} takes minibatches apart, and model={kind} "
            f"takes {which}"
        )


def halved(run: Run, num_devices: int, examples_per_pass: int | None) -> int | None:
    """Return about half as many examples at a time as a device computes; None where there are no halves."""
    if micro_batch_size_of(run.regularizer) is not None:
        return None
    batch_size = run.optimizer.batch_size
    together = build_network(run.model, run.data).num_inseparable or batch_size
    num_groups = -(-batch_size // together // num_devices)  # of the largest share
    if examples_per_pass is not None:
        num_groups = min(num_groups, examples_per_pass // together)
    return -(-num_groups // 2) * together if num_groups > 1 else None


@dataclass(frozen=True)
class _Piece:
    """What some of a minibatch's examples add to the whole."""

    losses: Tensor  # (R,)
    gradients: Tensors  # with a graph where it was asked for
    observed: Tensors

    def tensors(self) -> list[Tensor]:
        return [self.losses, *(gradient.detach() for gradient in self.gradients), *self.observed]


def _unobserved(batch: Minibatches) -> tuple[str, ...]:
    """Return the buffers that no pass over the batch has said anything of."""
    return tuple(name for name in batch.buffers if name not in batch.observed)


def _added(terms: Iterable[Sequence[Tensor]], like: Sequence[Tensor]) -> list[Tensor]:
    """Add up lists of tensors, one by one; of none it is zeros."""
    total: list[Tensor] = []
    for term in terms:
        total = [a + b for a, b in zip(total, term, strict=True)] if total else list(term)
    return total or [torch.zeros_like(tensor) for tensor in like]


def _multiples_around(number: int, of: int, below: int) -> list[int]:
    under = number // of * of
    return [multiple for multiple in (under, under + of) if 0 < multiple < below] or [below]
