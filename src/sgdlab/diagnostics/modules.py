"""Any torch model, loss and data as an empirical risk: nothing else of sgdlab is needed.

    risk = risk_of_module(model, torch.nn.CrossEntropyLoss(reduction="none"), images, labels)
    top = top_eigenpairs(HessianProduct(risk), num_pairs=5)

The model is called as it is, but on copies of its buffers and with generators of its own, so that a
measurement leaves no trace. What a per-example gradient means where a layer mixes the examples of a batch:
batch normalisation in training mode makes each loss a function of the whole batch, so there is none. Either
the running statistics are used (`mode="eval"`, the default), or the *ghost batch* takes the example's place:
with `ghost_batch_size=g` ℓ_i is the mean loss of the i-th g examples, normalised among themselves, N is the
number of ghost batches, and a batch of b "examples" is one of b·g.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from sgdlab.diagnostics.risk import EmpiricalRisk
from sgdlab.diagnostics.vectors import Tensors
from sgdlab.errors import UserError

ExampleLoss = Callable[[Tensor, Tensor], Tensor]
"""(outputs ``(b, …)``, targets ``(b, …)``) → a loss for each example ``(b,)``: reduction="none"."""

_DROPOUT_SEED = 0


def risk_of_module(
    model: nn.Module,
    loss: ExampleLoss,
    inputs: Tensor,
    targets: Tensor,
    *,
    chunk_size: int = 256,
    mode: Literal["eval", "train"] = "eval",
    ghost_batch_size: int | None = None,
) -> EmpiricalRisk:
    """Return the mean loss of a model over N examples, at its present parameters, as a pack of one run.

    Parameters
    ----------
    model
        Whose parameters that require gradients are differentiated by.
    loss
        Gives one number an example.
    inputs, targets
        ``(N, …)`` each, on the model's device.
    chunk_size
        Examples at a time; of ghost batches, how many.
    mode
        How the layers behave that tell the two apart. In training mode each chunk has dropout masks of its
        own, the same in each pass, so that every pass measures the same function.
    ghost_batch_size
        Examples that batch normalisation sees together in training mode; N must be a multiple of it.

    Raises
    ------
    UserError
        If inputs and targets differ in number, or a layer mixes examples and nothing says which.
    """
    if len(inputs) != len(targets):
        raise UserError(f"{len(inputs)} inputs and {len(targets)} targets: there must be one target an input")
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    adapter = _Module(model, trained, loss, inputs, targets, mode, ghost_batch_size)
    adapter.refuse_mixed_examples()
    num_units = len(inputs) // (ghost_batch_size or 1)
    return EmpiricalRisk(
        outputs=adapter.outputs if ghost_batch_size is None else adapter.ghost_losses,
        losses=adapter.losses if ghost_batch_size is None else _as_they_are,
        parameters=tuple(p.detach().unsqueeze(0) for p in trained.values()),
        examples=torch.arange(num_units, device=inputs.device),
        chunk_size=chunk_size,
        unit="example" if ghost_batch_size is None else "ghost batch",
    )


@dataclass(frozen=True)
class _Module:
    model: nn.Module
    trained: Mapping[str, Tensor]
    loss: ExampleLoss
    inputs: Tensor
    targets: Tensor
    mode: Literal["eval", "train"]
    ghost_batch_size: int | None

    def outputs(self, parameters: Tensors, examples: Tensor) -> Tensor:
        """Call the model on a chunk: ``(1, b, …)``."""
        return self._call(parameters, self.inputs[examples], _number_of(examples)).unsqueeze(0)

    def losses(self, outputs: Tensor, examples: Tensor) -> Tensor:
        """Return the loss of each example: ``(1, b)``."""
        return self.loss(outputs.squeeze(0), self.targets[examples]).unsqueeze(0)

    def ghost_losses(self, parameters: Tensors, batches: Tensor) -> Tensor:
        """Return the mean loss of each ghost batch: ``(1, b)``."""
        size = self.ghost_batch_size or 1
        means = []
        for batch in batches.tolist():
            examples = slice(batch * size, (batch + 1) * size)
            outputs = self._call(parameters, self.inputs[examples], batch)
            means.append(self.loss(outputs, self.targets[examples]).mean())
        return torch.stack(means).unsqueeze(0)

    def refuse_mixed_examples(self) -> None:
        """Refuse what would measure another function than it seems."""
        mixing = [
            name or type(layer).__name__
            for name, layer in self.model.named_modules()
            if isinstance(layer, nn.modules.batchnorm._BatchNorm)
            and (self.mode == "train" or layer.running_mean is None)
        ]
        size = self.ghost_batch_size
        if mixing and size is None:
            raise UserError(
                f"{', '.join(mixing[:3])}: batch normalisation makes each loss depend on its whole batch: "
                "give ghost_batch_size, or measure with the running statistics: mode='eval'"
            )
        if size is not None and (size < 1 or len(self.inputs) % size):
            raise UserError(f"ghost_batch_size={size} must divide the {len(self.inputs)} examples")

    def _call(self, parameters: Tensors, inputs: Tensor, seed: int) -> Tensor:
        named = dict(zip(self.trained, (p.squeeze(0) for p in parameters), strict=True))
        buffers = {name: buffer.clone() for name, buffer in self.model.named_buffers()}
        with _in_mode(self.model, self.mode), _own_generators(inputs.device, seed):
            outputs = functional_call(self.model, {**buffers, **named}, (inputs,))
        if not isinstance(outputs, Tensor) or len(outputs) != len(inputs):
            raise UserError(f"the model must give one output an example, ({len(inputs)}, …)")
        return outputs


def _number_of(examples: Tensor) -> int:
    """Return what seeds a chunk's masks; under vmap, where none can be drawn, examples have no number."""
    try:
        return int(examples[0])
    except RuntimeError:
        return 0


def _as_they_are(losses: Tensor, _batches: Tensor) -> Tensor:
    """Return losses that the model's side has already computed."""
    return losses


@contextmanager
def _in_mode(model: nn.Module, mode: Literal["eval", "train"]) -> Iterator[None]:
    """Set every layer's mode, and put back what it was, layer by layer."""
    before = [(layer, layer.training) for layer in model.modules()]
    try:
        model.train(mode == "train")
        yield
    finally:
        for layer, was_training in before:
            layer.training = was_training


@contextmanager
def _own_generators(device: torch.device, chunk: int) -> Iterator[None]:
    """Seed torch's generators for a chunk, and put back their states."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(_DROPOUT_SEED + chunk)
        yield
