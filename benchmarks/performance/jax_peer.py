"""JAX as people write it for many small runs: one jitted scan over updates, its step mapped over the runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import Array
from torch import Tensor

from performance.work import Work


class Jax:
    """`lax.scan` over updates of `vmap` over runs, inside `jit`; the shuffled gather is part of the step."""

    def __init__(self, work: Work, parameters: Mapping[str, Tensor], inputs: Tensor, labels: Tensor) -> None:
        self._parameters = {name: jnp.asarray(values.numpy()) for name, values in parameters.items()}
        self._data = jnp.asarray(inputs.flatten(1).numpy()), jnp.asarray(labels.numpy().astype(np.int32))
        self._rates = jnp.asarray(np.array(work.rates(), dtype=inputs.numpy().dtype))
        cost = partial(_modified_cost, strength=work.strength) if work.is_penalised else _cost
        self._train = jax.jit(partial(_train, cost))

    def advance(self, indices: Tensor) -> None:
        """Train all runs over minibatches ``(U, K, B)``; the first call for a U compiles."""
        rows = jnp.asarray(indices.numpy().astype(np.int32))
        self._parameters = self._train(self._parameters, self._rates, self._data, rows)
        jax.block_until_ready(self._parameters)

    def parameters(self) -> dict[str, Tensor]:
        """Return them as sgdlab names them."""
        return {name: torch.from_numpy(np.array(values)) for name, values in self._parameters.items()}


_Parameters = dict[str, Array]
_Cost = Callable[[_Parameters, Array, Array], Array]


def _cost(parameters: _Parameters, x: Array, y: Array) -> Array:
    num_layers = len(parameters) // 2
    hidden = x
    for layer in range(num_layers):
        hidden = hidden @ parameters[f"weight{layer}"] + parameters[f"bias{layer}"]
        if layer < num_layers - 1:
            hidden = jax.nn.relu(hidden)
    return -jnp.take_along_axis(jax.nn.log_softmax(hidden), y[:, None], axis=1).mean()


def _modified_cost(parameters: _Parameters, x: Array, y: Array, strength: float) -> Array:
    """Return C + (λ/4)‖∇C‖²; its gradient is reverse over reverse."""
    cost, gradients = jax.value_and_grad(_cost)(parameters, x, y)
    return cost + strength / 4 * sum((g * g).sum() for g in gradients.values())


def _train(
    cost: _Cost, parameters: _Parameters, rates: Array, data: tuple[Array, Array], rows: Array
) -> _Parameters:
    """Make the updates of all runs: rates ``(K,)``, rows ``(U, K, B)``."""
    inputs, labels = data

    def update(p: _Parameters, rate: Array, batch: Array) -> _Parameters:
        gradients = jax.grad(cost)(p, inputs[batch], labels[batch])
        return jax.tree.map(lambda value, gradient: value - rate * gradient, p, gradients)

    def step(p: _Parameters, batches: Array) -> tuple[_Parameters, None]:
        return jax.vmap(update)(p, rates, batches), None

    return jax.lax.scan(step, parameters, rows)[0]
