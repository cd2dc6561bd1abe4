"""Small runs, made-up data, and training without a store."""

import itertools
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from sgdlab.config.components import (
    ConstantSchedule,
    CrossEntropyLoss,
    GradientNoiseRegularizer,
    GradientNormRegularizer,
    Loss,
    NoRegularizer,
    Regularizer,
    Schedule,
    SgdOptimizer,
    UpdateBudget,
    UpdateEvaluation,
)
from sgdlab.config.datasets import Data, Mnist1dData, PtbData
from sgdlab.config.landscape import Landscape, NoLandscape
from sgdlab.config.models import MlpModel, Model
from sgdlab.config.schema import Run
from sgdlab.data.dataset import Dataset
from sgdlab.data.pipeline import ResidentPipeline
from sgdlab.models.network import stack_runs
from sgdlab.training import population
from sgdlab.training.conductor import PackTask, Progress, TrainedRun
from sgdlab.training.fit import train_pack
from sgdlab.training.members import Member, load_states
from sgdlab.training.objective import Minibatches
from sgdlab.training.population import Population

CPU = torch.device("cpu")

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """As in a worker, where a dozen threads would only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Run]:
    """Make a run of 40 updates on signals; the components that matter here are keywords."""

    def make(
        *,
        seed: int = 0,
        lr: float = 2**-4,
        num_updates: int = 40,
        every: int = 20,
        strength: float | None = None,
        estimator: str = "exact",
        radius: float = 1e-3,
        penalty: str = "gradient_norm",
        micro_batch_size: int | None = None,
        l2: float = 0.0,
        loss: Loss | None = None,
        precision: str = "float64",
        data: Data | None = None,
        model: Model | None = None,
        schedule: Schedule | None = None,
        batch_size: int = 5,
        landscape: Landscape | None = None,
        **optimizer: object,
    ) -> Run:
        if strength is None:
            regularizer: Regularizer = NoRegularizer()
        elif penalty == "gradient_noise":
            regularizer = GradientNoiseRegularizer(strength=strength, micro_batch_size=micro_batch_size)
        else:
            regularizer = GradientNormRegularizer(
                strength=strength,
                estimator=estimator,
                difference_radius=radius,
                micro_batch_size=micro_batch_size,
            )
        return Run(
            seed=seed,
            precision=precision,
            data=data or Mnist1dData(num_train=32, num_test=20),
            model=model or MlpModel(hidden_widths=(7, 10, 13)),
            loss=loss or CrossEntropyLoss(l2=l2),
            regularizer=regularizer,
            optimizer=SgdOptimizer(lr=lr, batch_size=batch_size, **optimizer),
            schedule=schedule or ConstantSchedule(),
            budget=UpdateBudget(num_updates=num_updates),
            evaluation=UpdateEvaluation(every_num_updates=every),
            landscape=landscape or NoLandscape(),
        )

    return make


@pytest.fixture(scope="session")
def make_dataset() -> Callable[[Data], Dataset]:
    """Make random examples of the shapes of `data`; labels follow a linear rule: they can be learnt.

    A text is made of few words, each of which is followed by one of two.
    """

    def text(data: PtbData, generator: torch.Generator) -> Dataset:
        num_words, words = (data.num_train + data.num_test) * data.num_steps, [1]
        for choice in torch.randint(2, (num_words,), generator=generator).tolist():
            words.append((2 * words[-1] + choice) % 13)
        windows = torch.tensor(words).unfold(0, data.num_steps + 1, data.num_steps)
        train, test = windows.split([data.num_train, data.num_test])
        return Dataset(train[:, :-1], train[:, 1:], test[:, :-1], test[:, 1:], "made up")

    def make(data: Data) -> Dataset:
        generator = torch.Generator().manual_seed(0)
        if isinstance(data, PtbData):
            return text(data, generator)
        num_all, shape = data.num_train + data.num_test, data.sample_shape
        if len(shape) == 1:
            # torch draws float32 normals otherwise on a processor without AVX2
            inputs = torch.randn(num_all, *shape, generator=generator, dtype=torch.float64).float()
        else:
            inputs = torch.randint(0, 256, (num_all, *shape), generator=generator, dtype=torch.uint8)
        rule = torch.randn(inputs[0].numel(), data.num_classes, generator=generator, dtype=torch.float64)
        labels = ((inputs.flatten(1).double() - inputs.double().mean()) @ rule).argmax(dim=1)
        train, test = inputs.split([data.num_train, data.num_test])
        train_labels, test_labels = labels.split([data.num_train, data.num_test])
        return Dataset(train, train_labels, test, test_labels, "made up")

    return make


@pytest.fixture(scope="session")
def make_population(make_dataset) -> Callable[..., Population]:
    """Make a population ready to `_advance`, outside Lightning."""

    def make(
        runs: Sequence[Run],
        device: torch.device = CPU,
        is_live: Sequence[bool] | None = None,
        backend: str = "batched",
        examples_per_pass: int | None = None,
    ) -> Population:
        pipeline = ResidentPipeline(
            runs[0].data, make_dataset(runs[0].data), device, getattr(torch, runs[0].precision)
        )
        slots = members_of(runs, is_live)
        return Population(slots, pipeline, backend, examples_per_pass=examples_per_pass).to(device)

    return make


@pytest.fixture(scope="session")
def updated(make_population) -> Callable[..., list[dict[str, torch.Tensor]]]:
    """Make a number of updates with a pack, and return each run's state; nothing is evaluated."""

    def update(runs: Sequence[Run], num_updates: int, **options) -> list[dict[str, torch.Tensor]]:
        population = make_population(runs, **options)
        while (made := max((m.update for m in population.members), default=0)) < num_updates:
            population._chunk_length = min(population._chunk_length, num_updates - made)
            population._advance()
        stacked = {name: values.detach().cpu() for name, values in population.state.named(population.names)}
        return [{name: values[slot] for name, values in stacked.items()} for slot in range(len(runs))]

    return update


def members_of(runs: Sequence[Run], is_live: Sequence[bool] | None = None) -> list[Member | None]:
    """Name runs by their places: "0", "1", …; None where a slot is to be empty."""
    places = zip(runs, is_live or [True] * len(runs), strict=True)
    return [Member(str(slot), run) if live else None for slot, (run, live) in enumerate(places)]


class Checkpoints:
    """What training leaves behind: every checkpoint is kept, by the updates of the run that is furthest."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.latest, self.at = folder, folder / "latest.ckpt", {}
        folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def new(self, progress: Mapping[str, int]):
        yield self.latest
        furthest = max(progress.values())
        self.at[furthest] = Path(shutil.copy(self.latest, self.folder / f"{furthest}.ckpt"))


@dataclass
class Trained:
    """What a call of `train_pack` came to."""

    is_finished: bool = False
    runs: list[TrainedRun | None] = field(
        default_factory=list
    )  # by the names of the members, which are numbers
    told: list[Progress] = field(default_factory=list)

    @property
    def num_updates(self) -> int:
        """Made by the run that made most."""
        return max(run.num_updates for run in self.runs if run)


@pytest.fixture
def train(tmp_path, make_dataset, monkeypatch) -> Callable[..., Trained | None]:
    """Train runs as a worker does; None if stopped, `stop_after` so many updates of this call.

    `waiting` runs fill slots as they become empty. `resume_from` takes up what is in the checkpoint, and
    leaves the rest; `states` are those of some of the runs. What a stopped call came to is `train.latest`.
    """
    number = itertools.count()

    def train(
        runs: Sequence[Run],
        *,
        is_live: Sequence[bool] | None = None,
        width: int | None = None,
        waiting: Sequence[Run] = (),
        statistics: str = "none",
        resume_from: Path | None = None,
        states: Mapping[str, dict] | None = None,
        stop_after: int | None = None,
        checkpoints: Checkpoints | None = None,
        checkpoint_every_s: float = 1e9,
        device: torch.device = CPU,
        backend: str = "batched",
        examples_per_pass: int | None = None,
    ) -> Trained | None:
        checkpoints = checkpoints or Checkpoints(tmp_path / f"checkpoints{next(number)}")
        asked = itertools.count(1)
        task = PackTask(
            width=width or len(runs),
            backend=backend,
            statistics=statistics,
            device=device,
            new_checkpoint=checkpoints.new,
            checkpoint_every_s=checkpoint_every_s,
            examples_per_pass=examples_per_pass,
        )
        stop = (lambda: False) if stop_after is None else lambda: next(asked) >= stop_after
        if stop_after is not None:
            monkeypatch.setattr(population, "MAX_UPDATES_PER_CHUNK", 1)  # stops are heard between chunks
        members = [m for m in members_of(runs, is_live) if m]
        if resume_from is not None:
            states = load_states(resume_from)
            members = [m for m in members if m.key in states]
        if states is not None:
            members = [
                Member.from_state(m.key, m.run, states[m.key]) if m.key in states else m for m in members
            ]
        queue = [Member(str(place), run) for place, run in enumerate(waiting, len(runs))]
        trained = Trained(runs=[None] * (len(runs) + len(waiting)))

        def hand_out(run: TrainedRun) -> None:
            assert trained.runs[int(run.key)] is None
            trained.runs[int(run.key)] = run

        def refill(num_slots: int, _num_running: int) -> list[Member]:
            return [queue.pop(0) for _ in range(min(num_slots, len(queue)))]

        dataset = make_dataset(runs[0].data)
        train.latest = trained
        trained.is_finished = train_pack(task, members, dataset, hand_out, refill, trained.told.append, stop)
        return trained if trained.is_finished else None

    return train


@pytest.fixture
def checkpoints(tmp_path) -> Checkpoints:
    return Checkpoints(tmp_path / "kept")


@pytest.fixture(scope="session")
def plain_network() -> Callable[[Run, dict[str, torch.Tensor]], torch.nn.Sequential]:
    """Build the MLP of a run from torch's own modules, with the given parameters in it."""

    def build(run: Run, parameters: dict[str, torch.Tensor]) -> torch.nn.Sequential:
        activations = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "gelu": torch.nn.GELU}
        modules: list[torch.nn.Module] = [torch.nn.Flatten()]
        for layer in range(len(parameters) // 2):
            weight, bias = parameters[f"weight{layer}"], parameters[f"bias{layer}"]
            linear = torch.nn.Linear(*weight.shape, dtype=weight.dtype)
            linear.load_state_dict({"weight": weight.T, "bias": bias})
            modules += [linear, activations[run.model.activation]()]
        return torch.nn.Sequential(*modules[:-1])

    return build


@pytest.fixture(scope="session")
def packed() -> Callable[..., tuple]:
    """Make a pack of runs with different parameters and batches, in float64: names, parameters, batches."""

    def make(network, num_runs, num_examples, sample_shape):
        draw = (network.initial_parameters(torch.Generator().manual_seed(s)) for s in range(num_runs))
        initial = stack_runs(draw, torch.float64)
        generator = torch.Generator().manual_seed(9)
        for name, values in initial.items():
            if name.endswith(("bias", "scale")):  # zeros at the start hide mistakes
                values.copy_(torch.randn(values.shape, generator=generator, dtype=torch.float64) * 0.3)
        inputs = torch.randn(num_runs, num_examples, *sample_shape, generator=generator, dtype=torch.float64)
        labels = torch.randint(0, 10, (num_runs, num_examples), generator=generator)
        parameters = tuple(values.requires_grad_() for values in initial.values())
        return tuple(initial), parameters, Minibatches(inputs, labels)

    return make
