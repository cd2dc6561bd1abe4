"""Fig. 1c at one training loss: whether C_reg is lower where the learning rate was larger.

C_reg falls while the loss falls, whatever ε is: at the end of training it also says how far training came.
Here runs of several ε are compared where they first reach the same training loss. What C_SGD = C + ε·C_reg
promises is a path of smaller C_reg, so a negative slope of log₂ C_reg on log₂ ε. Runs of one seed share
initialisation and order; the slope is of each seed, and its interval is Student's t over seeds.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from sgdlab.analysis.series import FigureSeries, PanelSeries, Series
from sgdlab.config.components import (
    ConstantSchedule,
    CrossEntropyLoss,
    NoRegularizer,
    SgdOptimizer,
    UpdateBudget,
    UpdateEvaluation,
)
from sgdlab.config.datasets import DigitsData
from sgdlab.config.models import MlpModel
from sgdlab.config.schema import Run
from sgdlab.data.load import load_dataset
from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.check import CheckReport, Finding
from sgdlab.theory.drawing import curve
from sgdlab.theory.intervals import mean_interval
from sgdlab.training.conductor import PackTask, TrainedRun
from sgdlab.training.fit import train_pack
from sgdlab.training.members import Member

LRS = tuple(2.0**k for k in range(-7, -2))
SEEDS = range(10)
LOSSES = (0.5, 0.2, 0.1)  # where runs are compared
TIME = 48.0  # ε times the number of updates, of every run
NUM_EVALUATIONS = 96
NUM_TRAIN, BATCH_SIZE, HIDDEN = 256, 8, 16


class Trajectory(NamedTuple):
    """What is followed of a run, at each evaluation."""

    train_loss: np.ndarray  # (E,)
    c_reg: np.ndarray  # (E,)


def run() -> CheckReport:
    """Train a tanh MLP on 256 digits at 5 learning rates with 10 seeds, and compare at three losses."""
    trajectories = train()
    found = {loss: regularizers_at(loss, trajectories) for loss in LOSSES}
    notes = (
        f"tanh MLP 64-{HIDDEN}-10 on {NUM_TRAIN} digits, B = {BATCH_SIZE}, shuffled, no L2, float64; "
        f"{len(SEEDS)} seeds; every run for a time ε·updates of {TIME:g}",
        f"C_reg and the loss of the whole training set are taken {NUM_EVALUATIONS} times in a run, and C_reg "
        "is interpolated where it first reaches the loss; bars: 95 % over seeds",
    )
    return CheckReport(
        findings=tuple(_finding(loss, table) for loss, table in found.items()),
        figure=FigureSeries(
            name="smith2021/matched-loss",
            title="C_reg at one training loss",
            kind="curves",
            x_label="learning rate ε",
            y_label="C_reg over its value at ε = 2⁻⁷",
            y_scale="linear",
            panels=(
                PanelSeries(
                    name="matched",
                    title="C_reg where the training loss is first reached",
                    x_scale="log2",
                    series=tuple(_relative_curve(loss, table) for loss, table in found.items()),
                    reference=None,
                ),
            ),
            caption=notes,
        ),
        notes=notes,
    )


def train() -> dict[tuple[float, int], Trajectory]:
    """Train every learning rate with every seed, as one pack: (ε, seed) → what became of the run."""
    data = DigitsData(num_train=NUM_TRAIN)
    members = [Member(f"{lr}/{seed}", _run_of(data, lr, seed)) for lr in LRS for seed in SEEDS]
    finished: dict[str, TrainedRun] = {}

    def take(trained: TrainedRun) -> None:
        finished[trained.key] = trained

    task = PackTask(
        width=len(members),
        backend="batched",
        statistics="evaluations",
        device=torch.device("cpu"),
        new_checkpoint=lambda _: nullcontext(Path(os.devnull)),
        checkpoint_every_s=float("inf"),
    )
    logging.getLogger("pytorch_lightning").setLevel(
        logging.ERROR
    )  # it tells of devices that weren't asked for
    train_pack(task, members, load_dataset(data, Path(os.devnull)), take)
    curves = {key: trained.curves for key, trained in finished.items()}
    return {
        (lr, seed): Trajectory(curves[f"{lr}/{seed}"]["train_loss"], curves[f"{lr}/{seed}"]["c_reg"])
        for lr in LRS
        for seed in SEEDS
    }


def regularizers_at(loss: float, trajectories: Mapping[tuple[float, int], Trajectory]) -> np.ndarray:
    """Return C_reg where each run first reaches a training loss, ``(seeds, ε)``."""
    return np.array([[interpolate(trajectories[lr, seed], loss) for lr in LRS] for seed in SEEDS])


def interpolate(trajectory: Trajectory, loss: float) -> float:
    """Return C_reg where the training loss is first at `loss`: a straight line between logarithms.

    Raises
    ------
    ArithmeticError
        If the loss lies outside of what the run passed through.
    """
    below = np.flatnonzero(trajectory.train_loss <= loss)
    if len(below) == 0 or below[0] == 0:
        low, high = trajectory.train_loss.min(), trajectory.train_loss[0]
        raise ArithmeticError(
            f"training loss {loss} isn't between those of the run, {low:.3g} and {high:.3g}"
        )
    around = slice(below[0] - 1, below[0] + 1)
    (before, after), regularizers = np.log(trajectory.train_loss[around]), np.log(trajectory.c_reg[around])
    share = (before - np.log(loss)) / (before - after)
    return float(np.exp(regularizers[0] + share * (regularizers[1] - regularizers[0])))


def slopes(regularizers: np.ndarray) -> np.ndarray:
    """Return the slope of log₂ C_reg on log₂ ε of each seed, from ``(seeds, ε)``."""
    slope, _ = np.polyfit(np.log2(LRS), np.log2(regularizers).T, deg=1)
    return np.asarray(slope)


def _run_of(data: DigitsData, lr: float, seed: int) -> Run:
    num_updates = round(TIME / lr)
    return Run(
        seed=seed,
        precision="float64",
        data=data,
        model=MlpModel(hidden_widths=(HIDDEN,), activation="tanh"),
        loss=CrossEntropyLoss(l2=0),
        regularizer=NoRegularizer(),
        optimizer=SgdOptimizer(lr=lr, batch_size=BATCH_SIZE),
        schedule=ConstantSchedule(),
        budget=UpdateBudget(num_updates=num_updates),
        evaluation=UpdateEvaluation(every_num_updates=num_updates // NUM_EVALUATIONS),
    )


def _finding(loss: float, regularizers: np.ndarray) -> Finding:
    mean, half = mean_interval(slopes(regularizers))
    says = f"At training loss {loss:g} C_reg is lower where ε was larger: slope of log₂ C_reg on log₂ ε."
    remark = f"Over {len(regularizers)} seeds; the paper compares at the end of training, not at one loss."
    return Finding(says, mean, (mean - half, mean + half), Expectation(below=0), remark)


def _relative_curve(loss: float, regularizers: np.ndarray) -> Series:
    """Return C_reg over that of the smallest ε with the same seed: mean and 95 % over seeds."""
    intervals = [mean_interval(column) for column in (regularizers / regularizers[:, :1]).T]
    return curve(
        f"training loss {loss:g}", LRS, [mean for mean, _ in intervals], [half for _, half in intervals]
    )
