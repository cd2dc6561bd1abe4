"""An MLP's update as batched matrix products written out, without automatic differentiation.

With a_0 = x, z_l = a_{l−1}·W_l + b_l, a_l = σ(z_l) and δ_l = ∂C/∂z_l, the gradients are a_{l−1}ᵀδ_l. The
product H·v with v = ∇C goes by Pearlmutter's R-operator (1994), R{f} = d/dr f(ω + r·v) at r = 0: forward
R{z_l} = R{a_{l−1}}·W_l + a_{l−1}·V_l, backward R{δ_{l−1}} likewise; H·v is R{a_{l−1}}ᵀδ_l + a_{l−1}ᵀR{δ_l}.
In a plain step the rates are multiplied into δ, so that the gradients need not be stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sgdlab.models.mlp import Mlp
from sgdlab.training.backends.backend import Stepwise, UpdateRule
from sgdlab.training.descent import PLAIN
from sgdlab.training.objective import Minibatches, per_run
from sgdlab.training.state import State


def supports_writing_out(rule: UpdateRule) -> bool:
    """Whether the pack trains MLPs whose first and second derivatives are written out here."""
    network = rule.objective.network
    return (
        type(network) is Mlp  # one derived from it may compute something else
        and network.activation in _SLOPES
        and rule.objective.loss == "cross_entropy"
        and rule.is_exact
        and rule.descent.is_plain
    )


def written_out(rule: UpdateRule, _like: Tensor) -> Stepwise:
    """Return the backend; see `supports_writing_out`."""
    network = rule.objective.network
    assert isinstance(network, Mlp)
    strengths = rule.strengths
    l2 = rule.objective.l2
    activation = _SLOPES[network.activation]
    if strengths is None:
        return Stepwise(_PlainStep(activation, l2))
    return Stepwise(_PenalisedStep(activation, l2, strengths))


@dataclass(frozen=True)
class _Activation:
    """σ, and its derivatives as functions of a = σ(z)."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]  # (d, a) → d·σ'(z)
    bend: Callable[[Tensor], Tensor] | None  # a → σ''(z); None where it is 0


_SLOPES = {
    "relu": _Activation(torch.relu, lambda d, a: torch.ops.aten.threshold_backward(d, a, 0), None),
    "tanh": _Activation(torch.tanh, lambda d, a: d * (1 - a * a), lambda a: -2 * a * (1 - a * a)),
}


@dataclass(frozen=True)
class _PlainStep:
    activation: _Activation
    l2: Tensor | None

    @torch.no_grad()
    def __call__(self, state: State, batch: Minibatches, rates: Tensor) -> Tensor:
        weights, biases = state.parameters[0::2], state.parameters[1::2]
        activations, logits = _forward(self.activation, weights, biases, batch.inputs)
        losses, _, delta = _cross_entropy(logits, batch.labels)
        delta *= per_run(rates, delta)
        for layer in reversed(range(len(weights))):
            weight, bias, inputs = weights[layer], biases[layer], activations[layer]
            back = torch.bmm(delta, weight.mT) if layer > 0 else None
            if self.l2 is not None:
                weight *= per_run(1 - rates * self.l2, weight)
                bias *= per_run(1 - rates * self.l2, bias)
            weight.baddbmm_(inputs.mT, delta, alpha=-1)
            bias -= delta.sum(dim=1)
            if back is not None:
                delta = self.activation.slope(back, inputs)
        return losses


@dataclass(frozen=True)
class _PenalisedStep:
    activation: _Activation
    l2: Tensor | None
    strengths: Tensor

    @torch.no_grad()
    def __call__(self, state: State, batch: Minibatches, rates: Tensor) -> Tensor:
        weights, biases = state.parameters[0::2], state.parameters[1::2]
        activations, logits = _forward(self.activation, weights, biases, batch.inputs)
        losses, probabilities, delta = _cross_entropy(logits, batch.labels)
        deltas, backs = _backward(self.activation, weights, activations, delta)
        gradients = [
            gradient
            for inputs, delta in zip(activations, deltas, strict=True)
            for gradient in (torch.bmm(inputs.mT, delta), delta.sum(dim=1))
        ]
        along = torch.ones_like(rates)
        if self.l2 is not None:
            for gradient, parameter in zip(gradients, state.parameters, strict=True):
                gradient.addcmul_(per_run(self.l2, parameter), parameter)
            along += self.l2 * self.strengths / 2  # H v holds l2·v
        products = self._products(weights, gradients, activations, probabilities, deltas, backs)
        PLAIN(state, tuple(gradients), rates * along)
        for parameter, product in zip(state.parameters, products, strict=True):
            parameter.addcmul_(product, per_run(rates * self.strengths / 2, product), value=-1)
        return losses

    def _products(
        self,
        weights: Sequence[Tensor],
        gradients: Sequence[Tensor],
        activations: Sequence[Tensor],
        probabilities: Tensor,
        deltas: Sequence[Tensor],
        backs: Sequence[Tensor],
    ) -> list[Tensor]:
        """Return H·v of the cross-entropy, v the `gradients`, shaped as the parameters."""
        ways, bias_ways = gradients[0::2], gradients[1::2]
        moved_inputs, moved_logits = self._move_forward(weights, ways, bias_ways, activations)
        mean = (probabilities * moved_logits).sum(dim=2, keepdim=True)
        moved = probabilities * (moved_logits - mean) / probabilities.shape[1]
        products: list[Tensor] = []
        for layer in reversed(range(len(weights))):
            inputs, delta, rises = activations[layer], deltas[layer], moved_inputs[layer]
            product = torch.bmm(inputs.mT, moved)
            if rises is not None:
                product.baddbmm_(rises[0].mT, delta)
            products = [product, moved.sum(dim=1), *products]
            if rises is not None:
                back = torch.bmm(moved, weights[layer].mT).baddbmm_(delta, ways[layer].mT)
                moved = self.activation.slope(back, inputs)
                if self.activation.bend is not None:
                    moved += backs[layer] * self.activation.bend(inputs) * rises[1]
        return products

    def _move_forward(
        self,
        weights: Sequence[Tensor],
        ways: Sequence[Tensor],
        bias_ways: Sequence[Tensor],
        activations: Sequence[Tensor],
    ) -> tuple[list[tuple[Tensor, Tensor] | None], Tensor]:
        """Return R{a} and R{z} of each layer's input, None of the data, and R{logits}."""
        rises: list[tuple[Tensor, Tensor] | None] = [None]
        rise = torch.baddbmm(bias_ways[0].unsqueeze(1), activations[0], ways[0])
        for layer in range(1, len(weights)):
            inputs = activations[layer]
            moved = self.activation.slope(rise, inputs)
            rises.append((moved, rise))
            rise = torch.baddbmm(bias_ways[layer].unsqueeze(1), inputs, ways[layer])
            rise.baddbmm_(moved, weights[layer])
        return rises, rise


def _forward(
    activation: _Activation, weights: Sequence[Tensor], biases: Sequence[Tensor], inputs: Tensor
) -> tuple[list[Tensor], Tensor]:
    """Return each layer's inputs, and the logits."""
    activations = [inputs.flatten(2)]
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        values = torch.baddbmm(bias.unsqueeze(1), activations[-1], weight)
        if layer < len(weights) - 1:
            activations.append(activation.value(values))
    return activations, values


def _cross_entropy(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean losses ``(R,)``, probabilities, and δ = ∂C/∂logits."""
    log_probabilities = torch.log_softmax(logits, dim=2)
    targets = labels.unsqueeze(2)
    losses = -log_probabilities.gather(2, targets).squeeze(2).mean(dim=1)
    probabilities = log_probabilities.exp_()
    delta = probabilities / labels.shape[1]
    delta.scatter_add_(2, targets, delta.new_full((1, 1, 1), -1 / labels.shape[1]).expand_as(targets))
    return losses, probabilities, delta


def _backward(
    activation: _Activation, weights: Sequence[Tensor], activations: Sequence[Tensor], delta: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """Return δ of each layer, and ∂C/∂a of each layer's inputs (of the data: nothing, an empty tensor)."""
    deltas, backs = [delta], [delta.new_empty(0)]
    for weight, inputs in zip(reversed(weights[1:]), reversed(activations[1:]), strict=True):
        back = torch.bmm(deltas[0], weight.mT)
        backs.insert(1, back)
        deltas.insert(0, activation.slope(back, inputs))
    return deltas, backs
