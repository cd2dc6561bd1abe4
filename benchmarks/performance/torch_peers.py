"""PyTorch as people write it: a loop over minibatches, one run at a time; and torch.func over all runs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from performance.torch_networks import build, to_sgdlab, to_torch
from performance.work import Work


class BareLoop:
    """`nn.Module` and `optim.SGD`, run after run."""

    memory_format = torch.contiguous_format

    def __init__(self, work: Work, parameters: Mapping[str, Tensor], inputs: Tensor, labels: Tensor) -> None:
        self._inputs, self._labels, self._strength = self._in_format(inputs), labels, work.strength
        self._models = _models(work, parameters)
        for model in self._models:
            model.to(memory_format=self.memory_format)
        self._optimizers = [
            torch.optim.SGD(model.parameters(), lr=rate)
            for model, rate in zip(self._models, work.rates(), strict=True)
        ]

    def advance(self, indices: Tensor) -> None:
        """Train each run over its minibatches ``(U, K, B)``."""
        for slot, (model, optimizer) in enumerate(zip(self._models, self._optimizers, strict=True)):
            for rows in indices[:, slot]:
                loss = F.cross_entropy(model(self._inputs[rows]), self._labels[rows])
                if self._strength:
                    gradients = torch.autograd.grad(loss, list(model.parameters()), create_graph=True)
                    loss = loss + self._strength / 4 * sum(g.square().sum() for g in gradients)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    def parameters(self) -> dict[str, Tensor]:
        """Return them as sgdlab names them."""
        stacked, _ = stack_module_state(self._models)
        return to_sgdlab({name: values.detach() for name, values in stacked.items()})

    def _in_format(self, inputs: Tensor) -> Tensor:
        return inputs.to(memory_format=self.memory_format) if inputs.dim() == 4 else inputs


class ChannelsLastLoop(BareLoop):
    """The same with images and convolutions in channels-last layout."""

    memory_format = torch.channels_last


class Functional:
    """`stack_module_state`, and `vmap(grad(…))` over the runs."""

    def __init__(self, work: Work, parameters: Mapping[str, Tensor], inputs: Tensor, labels: Tensor) -> None:
        if work.is_penalised:
            raise ValueError("torch.func is measured without the penalty only")
        models = _models(work, parameters)
        self._inputs, self._labels = inputs, labels
        self._rates = torch.tensor(work.rates(), dtype=inputs.dtype)
        stacked, _ = stack_module_state(models)
        self._parameters = {name: values.detach() for name, values in stacked.items()}
        skeleton = build(work).to("meta")

        def loss(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return F.cross_entropy(functional_call(skeleton, parameters, (x,)), y)

        self._gradients = vmap(grad(loss))

    def advance(self, indices: Tensor) -> None:
        """Train all runs, an update at a time."""
        for rows in indices:
            gradients = self._gradients(self._parameters, self._inputs[rows], self._labels[rows])
            for name, values in self._parameters.items():
                values.sub_(self._rates.view(-1, *([1] * (values.dim() - 1))) * gradients[name])

    def parameters(self) -> dict[str, Tensor]:
        """Return them as sgdlab names them."""
        return to_sgdlab(self._parameters)


def _models(work: Work, parameters: Mapping[str, Tensor]) -> list[nn.Module]:
    """Return a network a run, with its parameters."""
    renamed = to_torch(parameters)
    models = []
    for slot in range(work.num_runs):
        model = build(work).to(getattr(torch, work.precision))
        model.load_state_dict({name: values[slot] for name, values in renamed.items()})
        models.append(model)
    return models
