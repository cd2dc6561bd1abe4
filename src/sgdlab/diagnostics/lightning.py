"""The loss landscape along the training of any LightningModule, as a callback.

    loss = torch.nn.CrossEntropyLoss(reduction="none")
    monitor = LandscapeMonitor(["sharpness"], loss, (images, labels), batch_size=32, every_num_steps=100)
    Trainer(callbacks=[monitor]).fit(module, loader)
    plt.plot(monitor.curves["step"], monitor.curves["sharpness"])

What is measured is the module at its parameters as they are, with the running statistics of its normalisation
and without dropout, over the examples that are given, at the learning rate η of the update that comes next.
`diagnostics.landscape` defines the quantities, `config.landscape` says what they cost. Of an optimiser other
than plain SGD they are still those of a step of plain SGD with its learning rate.

Training goes on as if nothing had happened: parameters, buffers, gradients, the optimiser's state, the modes
of the layers and torch's generators are what they were. With several devices each measures all examples by
itself, so each must hold all parameters (DDP, not FSDP).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from pydantic import ValidationError
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn

from sgdlab.config.landscape import METRICS, MeasuredLandscape
from sgdlab.config.messages import explain
from sgdlab.diagnostics.curvature.eigenpairs import Eigenpairs
from sgdlab.diagnostics.landscape import Surroundings, measure_landscape
from sgdlab.diagnostics.modules import ExampleLoss, risk_of_module
from sgdlab.diagnostics.noise.sampling import Sampling, noise_share
from sgdlab.diagnostics.risk import EmpiricalRisk, NotFiniteError
from sgdlab.errors import UserError

Examples = tuple[Tensor, Tensor]
"""Inputs and targets, ``(N, …)`` each."""


@dataclass(frozen=True)
class MeasuredStep:
    """What was measured before an update."""

    step: int  # optimiser steps made
    metrics: dict[str, float]  # NaN where something of it isn't finite
    seconds: float  # that the measurement took


class LandscapeMonitor(Callback):
    """Measures the landscape every so many optimiser steps, from the first parameters to the last.

    Parameters
    ----------
    quantities
        Of `config.landscape.METRICS`: noise, sharpness, interaction, step, valley, gap.
    loss
        (outputs, targets) → a loss for each example: reduction="none".
    train
        Inputs and targets that the loss is meaned over, in the type that the module takes.
    batch_size
        b of an update: of all devices and accumulated batches together.
    every_num_steps
        Optimiser steps from one measurement to the next.
    test
        Other examples, for the gap.
    module
        Dotted name of the submodule to measure, called on the inputs; empty: the LightningModule itself.
    l2
        Strength of an L2 term that belongs to the cost, such as SGD's `weight_decay`.
    sampling
        Whether a batch has an example at most once.
    chunk_size
        Examples at a time; memory grows with it.
    prefix
        Of the names that are logged.
    settings
        Other fields of `MeasuredLandscape`: tolerance, num_passes, num_batches, num_examples.

    Raises
    ------
    UserError
        If there is no such quantity or setting, no example, no such batch, no test data for the gap, or the
        cadence is below 1; in training, if the module lacks a derivative that a quantity takes, or its
        learning rate isn't one number.
    """

    def __init__(
        self,
        quantities: Sequence[str],
        loss: ExampleLoss,
        train: Examples,
        *,
        batch_size: int,
        every_num_steps: int,
        test: Examples | None = None,
        module: str = "",
        l2: float = 0.0,
        sampling: Sampling = "without",
        chunk_size: int = 256,
        prefix: str = "landscape/",
        **settings: Any,
    ) -> None:
        super().__init__()
        self._settings = _settings(quantities, settings)
        if every_num_steps < 1:
            raise UserError(f"every_num_steps={every_num_steps} must be at least 1")
        of_test = [quantity for quantity in ("gap", "update") if quantity in self._settings.quantities]
        if of_test and test is None:
            raise UserError(f"{of_test[0]} is about the test loss: give test=(inputs, targets)")
        for name, examples in {"train": train, "test": test}.items():
            if examples is not None and len(examples[0]) == 0:
                raise UserError(f"{name} has no example to measure on")
        num_examples = self._settings.num_examples
        self._train = train[0][:num_examples], train[1][:num_examples]
        noise_share(batch_size, len(self._train[0]), sampling)
        self._loss, self._test, self._chunk_size, self._l2 = loss, test, chunk_size, l2
        self._batch_size, self._sampling, self._every = batch_size, sampling, every_num_steps
        self._module, self._prefix = module, prefix
        self._known: Eigenpairs | None = None
        self._started_s = self._measuring_s = 0.0
        self.history: list[MeasuredStep] = []
        self.share_of_training: float | None = None  # of the wall time of the last fit, once it has ended

    @property
    def curves(self) -> dict[str, list[float]]:
        """The history as columns of equal length: step, seconds, and each metric."""
        names = [name for quantity in self._settings.quantities for name in METRICS[quantity]]
        return {
            "step": [row.step for row in self.history],
            "seconds": [row.seconds for row in self.history],
            **{name: [row.metrics[name] for row in self.history] for name in names},
        }

    @property
    def state_key(self) -> str:
        """Under which a checkpoint keeps the state: several monitors differ by module or prefix."""
        return self._generate_state_key(module=self._module, prefix=self._prefix)

    def state_dict(self) -> dict[str, Any]:
        """Return history and eigenpairs, as tensors and plain values."""
        known = {name: _on_cpu(value) for name, value in vars(self._known).items()} if self._known else None
        return {"history": [asdict(row) for row in self.history], "known": known}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what `state_dict` returned."""
        self.history = [MeasuredStep(**row) for row in state_dict["history"]]
        self._known = Eigenpairs(**state_dict["known"]) if state_dict["known"] else None

    def on_train_start(self, trainer: Trainer, _pl_module: LightningModule) -> None:
        """Begin; of an earlier training only what this one goes on from is kept."""
        self.history = [row for row in self.history if row.step < trainer.global_step]
        if not self.history:
            self._known = None
        self.share_of_training, self._measuring_s, self._started_s = None, 0.0, time.perf_counter()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: object) -> None:
        """Measure if it is time; the learning rate is that of the update to come."""
        step = trainer.global_step
        if not self.history or step // self._every > self.history[-1].step // self._every:
            metrics = self._measure(trainer, pl_module)
            pl_module.log_dict(metrics, logger=False)  # for callbacks that watch a metric

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure the last parameters, and tell what measuring took."""
        if not self.history or self.history[-1].step < trainer.global_step:
            self._measure(trainer, pl_module)
        self.share_of_training = self._measuring_s / (time.perf_counter() - self._started_s)
        rank_zero_info(
            f"{self._prefix.rstrip('/')}: measuring took {self._measuring_s:.3g} s, "
            f"{self.share_of_training:.0%} of the training's time"
        )

    def _measure(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, float]:
        """Add a step to the history, hand it to the loggers, and return it under the names that they know."""
        _wait_for(pl_module.device)
        started_s = time.perf_counter()
        values = self._values(trainer, self._module_of(pl_module), pl_module.device)
        seconds = time.perf_counter() - started_s
        self._measuring_s += seconds
        self.history.append(MeasuredStep(trainer.global_step, values, seconds))
        metrics = {f"{self._prefix}{name}": value for name, value in values.items()}
        for logger in trainer.loggers:  # log_dict would lose what falls between Trainer(log_every_n_steps=…)
            logger.log_metrics(metrics, step=trainer.global_step)
        return metrics

    def _values(self, trainer: Trainer, module: nn.Module, device: torch.device) -> dict[str, float]:
        """Return what is measured, by name."""
        risk = self._risk(module, self._train, device)
        rate = _learning_rate(trainer, module)
        l2 = risk.parameters[0].new_tensor([self._l2])
        risk = replace(risk, l2=l2) if self._l2 else risk
        around = Surroundings(
            train=risk,
            train_by_example=risk,
            test=self._risk(module, self._test, device) if self._test else None,
            learning_rates=l2.double().new_tensor([rate]),
            batch_size=self._batch_size,
            sampling=self._sampling,
            known=_fitting(self._known, risk),
        )
        try:
            metrics, self._known = measure_landscape(self._settings, around)
        except NotFiniteError:
            self._known = None
            names = [name for quantity in self._settings.quantities for name in METRICS[quantity]]
            return dict.fromkeys(names, float("nan"))
        return {name: value.item() for name, value in metrics.items()}

    def _risk(self, module: nn.Module, examples: Examples, device: torch.device) -> EmpiricalRisk:
        inputs, targets = (tensor.to(device) for tensor in examples)
        return risk_of_module(module, self._loss, inputs, targets, chunk_size=self._chunk_size)

    def _module_of(self, pl_module: LightningModule) -> nn.Module:
        try:
            return pl_module.get_submodule(self._module)
        except AttributeError as error:
            raise UserError(
                f"module={self._module!r}: {type(pl_module).__name__} has no such submodule"
            ) from error


def _settings(quantities: Sequence[str], others: Mapping[str, Any]) -> MeasuredLandscape:
    try:
        return MeasuredLandscape.model_validate({"quantities": tuple(quantities), **others})
    except ValidationError as error:
        raise UserError(explain(error, MeasuredLandscape, lambda _: "LandscapeMonitor")) from error


def _learning_rate(trainer: Trainer, module: nn.Module) -> float:
    """Return the learning rate that the module's parameters share."""
    measured = {id(p) for p in module.parameters() if p.requires_grad}
    groups = [group for optimizer in trainer.optimizers for group in optimizer.param_groups]
    rates = {float(g["lr"]) for g in groups if any(id(p) in measured for p in g["params"])}
    if len(rates) != 1:
        found = f"learning rates {', '.join(map(str, sorted(rates)))}" if rates else "no optimiser"
        raise UserError(
            f"the measured parameters have {found}, and a step of SGD has one learning rate: "
            "name a module whose parameters share theirs"
        )
    return rates.pop()


def _fitting(known: Eigenpairs | None, risk: EmpiricalRisk) -> Eigenpairs | None:
    """Return eigenpairs where the parameters are; none if other parameters are trained by now."""
    if known is None or known.vectors.shape[2] != risk.num_parameters:
        return None
    return replace(known, vectors=known.vectors.to(risk.parameters[0].detach()))


def _on_cpu(value: Tensor | int) -> Tensor | int:
    return value.cpu() if isinstance(value, Tensor) else value


def _wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what it was told to, so that training isn't counted as measuring."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
