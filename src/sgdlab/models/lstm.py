"""The word-level LSTM of Zaremba, Sutskever & Vinyals (2014): an embedding, layers, and a softmax over words.

    i, f, o = σ(W x_t + U h_{t−1} + b_W + b_U),   g = tanh(…),   c_t = f·c_{t−1} + i·g,   h_t = o·tanh(c_t)

Every layer has two biases, and every parameter starts uniform in ±init_scale, biases too: nothing is added to
those of the forget gates. So their published code has it; their text doesn't say. Dropout is on what a layer
or the softmax reads from below, never on h_{t−1}. A window of T words goes on from the state in which the one
before it ended; gradients don't reach back that far.

Parameters of 10,000 words: small (2×200) 4,653,200 · medium (2×650) 19,780,400 · large (2×1500) 66,034,000.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sgdlab.models.layers import dropped, linear
from sgdlab.models.network import Network, Parameters, TrainingPass


@dataclass(frozen=True)
class Lstm(Network):
    """Layers of `hidden_width` units over windows of `num_steps` words."""

    num_words: int  # of the vocabulary
    num_steps: int
    hidden_width: int
    num_layers: int = 2
    dropout: float = 0.0
    init_scale: float = 0.1

    @property
    def num_draws(self) -> int:
        """One for each unit of each step that a layer or the softmax reads from below."""
        return (self.num_layers + 1) * self.num_steps * self.hidden_width if self.dropout else 0

    @property
    def is_sequential(self) -> bool:
        """A window goes on where the one before it ended."""
        return True

    def initial_buffers(self, batch_size: int) -> dict[str, Tensor]:
        """Return h and c of each layer, ``(B, H)``: 0."""
        names = [name for layer in range(self.num_layers) for name in _state_names(layer)]
        return {name: torch.zeros(batch_size, self.hidden_width, dtype=torch.float64) for name in names}

    def initial_parameters(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Draw everything alike; weights are ``(in, out)``, gates in the order i, f, o, g."""
        width, gates = self.hidden_width, 4 * self.hidden_width
        shapes: dict[str, tuple[int, ...]] = {"embedding": (self.num_words, width)}
        for layer in range(self.num_layers):
            for source in ("input", "hidden"):
                shapes[f"layer{layer}_{source}_weight"] = (width, gates)
                shapes[f"layer{layer}_{source}_bias"] = (gates,)
        shapes |= {"head_weight": (width, self.num_words), "head_bias": (self.num_words,)}

        def drawn(shape: tuple[int, ...]) -> Tensor:
            return (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1) * self.init_scale

        return {name: drawn(shape) for name, shape in shapes.items()}

    def logits(self, parameters: Parameters, inputs: Tensor, training: TrainingPass | None = None) -> Tensor:
        """Map numbers of words ``(R, B, T)`` to ``(R, B, T, words)``."""
        firsts = self.num_words * torch.arange(len(inputs), device=inputs.device).view(-1, 1, 1)
        words = (inputs + firsts).transpose(1, 2)  # (R, T, B), of one table for all runs
        hidden = F.embedding(words, parameters["embedding"].flatten(0, 1))
        for layer in range(self.num_layers):
            hidden = self._read(parameters, layer, self._thinned(hidden, layer, training), training)
        hidden = self._thinned(hidden, self.num_layers, training).transpose(1, 2)  # (R, B, T, H)
        logits = linear(hidden.flatten(1, 2), parameters["head_weight"], parameters["head_bias"])
        return logits.view(*inputs.shape, self.num_words)

    def _read(
        self, parameters: Parameters, layer: int, inputs: Tensor, training: TrainingPass | None
    ) -> Tensor:
        """Return h of all steps, ``(R, T, B, H)``, for inputs of that shape."""
        width, name = self.hidden_width, f"layer{layer}"
        bias = parameters[f"{name}_input_bias"] + parameters[f"{name}_hidden_bias"]
        from_below = linear(inputs.flatten(1, 2), parameters[f"{name}_input_weight"], bias)
        weight = parameters[f"{name}_hidden_weight"]
        hidden, cell = (_before(parameters, state, inputs, training) for state in _state_names(layer))
        outputs = []
        for step in from_below.view(*inputs.shape[:3], 4 * width).unbind(1):
            gates, candidate = torch.split(torch.baddbmm(step, hidden, weight), [3 * width, width], dim=2)
            input_gate, forget_gate, output_gate = torch.sigmoid(gates).chunk(3, dim=2)
            cell = forget_gate * cell + input_gate * torch.tanh(candidate)
            hidden = output_gate * torch.tanh(cell)
            outputs.append(hidden)
        if training is not None:
            for state, value in zip(_state_names(layer), (hidden, cell), strict=True):
                training.observe(state, value)
        return torch.stack(outputs, dim=1)

    def _thinned(self, inputs: Tensor, layer: int, training: TrainingPass | None) -> Tensor:
        """Drop units of what a layer reads, ``(R, T, B, H)``; the softmax comes after the last layer."""
        if not self.dropout or training is None or training.draws is None:
            return inputs
        num_runs, num_steps, batch_size, width = inputs.shape
        draws = training.draws.view(num_runs, batch_size, self.num_layers + 1, num_steps, width)
        return dropped(inputs, draws[:, :, layer].transpose(1, 2), self.dropout)


def _state_names(layer: int) -> tuple[str, str]:
    return f"layer{layer}_state_h", f"layer{layer}_state_c"


def _before(parameters: Parameters, state: str, inputs: Tensor, training: TrainingPass | None) -> Tensor:
    """Return the state that a window goes on from, ``(R, B, H)``."""
    if training is None or state not in parameters:
        return inputs.new_zeros(inputs.shape[0], *inputs.shape[2:])
    before = parameters[state]
    return before if training.starts is None else torch.where(training.starts.view(-1, 1, 1), 0, before)
