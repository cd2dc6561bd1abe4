"""One run of SGD as an idiomatic user of Lightning would write it: no packing, automatic optimisation."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningModule
from torch import Tensor, nn

_ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


class Mlp(nn.Sequential):
    """Linear layers with biases and one activation between them, initialised as torch does."""

    def __init__(self, widths: list[int], activation: str) -> None:
        layers: list[nn.Module] = [nn.Flatten()]
        for num_inputs, num_outputs in pairwise(widths):
            layers += [nn.Linear(num_inputs, num_outputs), _ACTIVATIONS[activation]()]
        super().__init__(*layers[:-1])


class Classifier(LightningModule):
    """Minimise C_k + (λ/4)·‖∇C_k‖² by SGD, C_k with its L2 term (smith2021, §2.3); λ = 0 is plain SGD."""

    def __init__(self, network: nn.Module, lr: float, l2: float, penalty: float) -> None:
        super().__init__()
        self.network = network
        self.lr, self.l2, self.penalty = lr, l2, penalty

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the modified loss of one minibatch; Lightning differentiates it and steps."""
        inputs, labels = batch
        loss = F.cross_entropy(self.network(inputs), labels)
        parameters = list(self.parameters())
        if self.l2:
            loss = loss + self.l2 / 2 * sum(parameter.square().sum() for parameter in parameters)
        if self.penalty:
            gradients = torch.autograd.grad(loss, parameters, create_graph=True)
            loss = loss + self.penalty / 4 * sum(gradient.square().sum() for gradient in gradients)
        return loss

    def validation_step(
        self,
        batch: tuple[Tensor, Tensor],
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Log accuracy and loss over the test set (loader 0) and the training set (loader 1)."""
        inputs, labels = batch
        logits = self.network(inputs)
        half = ("test", "train")[dataloader_idx]
        values = {
            f"{half}_accuracy": (logits.argmax(dim=1) == labels).float().mean(),
            f"{half}_loss": F.cross_entropy(logits, labels),
        }
        self.log_dict(values, batch_size=len(labels), add_dataloader_idx=False)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return torch's own SGD."""
        return torch.optim.SGD(self.parameters(), lr=self.lr)
