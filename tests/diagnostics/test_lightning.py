"""The callback in real trainings: its numbers against dense matrices, no trace, checkpoints, refusals.

Dense Hessians and per-example gradients come from torch.autograd.functional on `functional_call`, which share
no code with what is measured.
"""

import copy
import csv
import logging
import math
import warnings

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from torch import nn
from torch.func import functional_call
from torch.utils.data import DataLoader, TensorDataset

from sgdlab.config.landscape import METRICS
from sgdlab.diagnostics.lightning import LandscapeMonitor
from sgdlab.errors import UserError

LOSS = nn.CrossEntropyLoss(reduction="none")
BATCH = 6


def examples(num_examples=24, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(num_examples, 4, generator=generator, dtype=torch.float64)
    return inputs, inputs[:, :3].argmax(dim=1)


TRAIN, TEST = examples(), examples(15, seed=1)


class Classifier(LightningModule):
    """SGD on a small network, with a learning rate that falls at each update."""

    def __init__(self, net, momentum=0.0):
        super().__init__()
        self.net, self.momentum = net.double(), momentum

    def forward(self, inputs):
        return self.net(inputs)

    def training_step(self, batch, batch_idx):
        inputs, targets = batch
        return LOSS(self(inputs), targets).mean()

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.5, momentum=self.momentum)
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Photographs(Callback):
    """Keeps parameters and learning rates as they are before each update, and at the end."""

    def __init__(self):
        self.seen = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self.seen[trainer.global_step] = copy.deepcopy(pl_module.state_dict()), rate

    def on_train_end(self, trainer, pl_module):
        self.on_train_batch_start(trainer, pl_module, None, 0)


def plain():
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3))


def with_state():
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Dropout(0.5), nn.Linear(6, 3))


def monitor(*quantities, **options):
    defaults = {
        "batch_size": BATCH,
        "every_num_steps": 3,
        "chunk_size": 10,
        "num_passes": 2,
        "num_batches": 2,
    }
    options = defaults | options
    return LandscapeMonitor(quantities, LOSS, options.pop("train", TRAIN), **options)


def fit(module, *callbacks, max_steps=8, ckpt_path=None, seed=3, **options):
    """Train on the CPU; the order of the examples and the masks follow the seed."""
    torch.manual_seed(seed)
    loader = DataLoader(TensorDataset(*TRAIN), BATCH, shuffle=True)
    quiet = {"logger": False, "enable_checkpointing": False} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on workers and logging
        trainer = Trainer(
            accelerator="cpu",
            max_steps=max_steps,
            callbacks=list(callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
            **quiet,
        )
        trainer.fit(module, loader, ckpt_path=ckpt_path)
    return trainer


@pytest.fixture(autouse=True)
def _quiet(caplog):
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


class Dense:
    """A module's cost and derivatives at a state, in evaluation mode."""

    def __init__(self, module, state, l2=0.0):
        self.module, self.l2 = copy.deepcopy(module).eval(), l2
        self.module.load_state_dict(state)
        self.point = torch.cat([p.detach().flatten() for p in self.module.parameters()])

    def cost(self, rows, data=TRAIN, which=slice(None)):
        named, start = {}, 0
        for name, parameter in self.module.named_parameters():
            named[name] = rows[start : start + parameter.numel()].view_as(parameter)
            start += parameter.numel()
        inputs, targets = data
        outputs = functional_call(self.module, named, (inputs[which],))
        return LOSS(outputs, targets[which]).mean() + self.l2 / 2 * rows.square().sum()

    def gradient(self, *arguments):
        return torch.autograd.functional.jacobian(lambda rows: self.cost(rows, *arguments), self.point)

    def expected(self, rate, batch_size=BATCH):
        """Some metrics of each quantity, by their definitions."""
        hessian = torch.autograd.functional.hessian(self.cost, self.point)
        values, vectors = torch.linalg.eigh(hessian)
        mean, n = self.gradient(), len(TRAIN[0])
        each = torch.stack([self.gradient(TRAIN, slice(i, i + 1)) for i in range(n)])
        length_sq, noise = mean.square().sum(), (each - mean).square().sum(dim=1).mean()
        share = (n - batch_size) / (n - 1) / batch_size
        moved = self.point - rate * mean
        return {
            "mean_gradient_sq": length_sq,
            "noise_trace": noise,
            "concentration": length_sq / (length_sq + share * noise),
            "sharpness": values[-1],
            "relative_sharpness": rate / 2 * values[-1],
            "alignment": (vectors[:, -1] @ mean).abs() / length_sq.sqrt(),
            "valley_loss_100": self.cost(moved) - self.cost(self.point),
            "gap_statistic": rate * mean @ (mean - self.gradient(TEST)),
        }


@pytest.mark.parametrize("net", [plain, with_state])
def test_it_measures_what_the_definitions_say_at_each_step(net):
    photographs, module = Photographs(), Classifier(net())
    watching = monitor(*METRICS, test=TEST, tolerance=1e-8)
    fit(module, photographs, watching)
    assert [row.step for row in watching.history] == [0, 3, 6, 8]
    for row in watching.history:
        state, rate = photographs.seen[row.step]
        assert rate == pytest.approx(0.5 * 0.9**row.step)  # the rate of the update to come
        for name, value in Dense(module, state).expected(rate).items():
            assert row.metrics[name] == pytest.approx(value.item(), rel=1e-6, abs=1e-12), name
        assert set(row.metrics) == {name for names in METRICS.values() for name in names}


@pytest.mark.parametrize("net", [plain, with_state])
def test_training_is_the_same_to_the_bit_with_and_without_it(net):
    def trained(*callbacks):
        module = Classifier(net(), momentum=0.9)
        trainer = fit(module, *callbacks, accumulate_grad_batches=2, max_steps=5)
        left = [p.grad for p in module.parameters()]
        return module.state_dict(), trainer.optimizers[0].state_dict(), left, torch.get_rng_state()

    alone = trained()
    measured = trained(monitor(*METRICS, test=TEST, every_num_steps=1))
    torch.testing.assert_close(measured, alone, rtol=0, atol=0)


def test_it_leaves_no_trace_at_the_moment_of_measuring():
    class Check(LandscapeMonitor):
        """Compares everything before and after, in the midst of an accumulation, with one layer frozen."""

        num_checked = 0

        def _measure(self, trainer, pl_module):
            before = self.state(trainer, pl_module)
            found = super()._measure(trainer, pl_module)
            torch.testing.assert_close(self.state(trainer, pl_module), before, rtol=0, atol=0)
            Check.num_checked += 1
            return found

        def state(self, trainer, pl_module):
            modes = [layer.training for layer in pl_module.modules()]
            slopes = [None if p.grad is None else p.grad.clone() for p in pl_module.parameters()]
            optimizer = copy.deepcopy(trainer.optimizers[0].state_dict())
            state = copy.deepcopy(pl_module.state_dict())
            return modes, slopes, optimizer, state, torch.get_rng_state()

    module = Classifier(with_state(), momentum=0.9)
    module.net[3].eval()
    fit(module, Check(tuple(METRICS), LOSS, TRAIN, batch_size=6, every_num_steps=2, test=TEST), max_steps=4)
    assert Check.num_checked == 3


def test_an_accumulated_step_is_measured_once():
    watching = monitor("noise", every_num_steps=1)
    fit(Classifier(plain()), watching, accumulate_grad_batches=4, max_steps=3)
    assert watching.curves["step"] == [0, 1, 2, 3]


def test_an_l2_term_belongs_to_the_cost():
    photographs, module = Photographs(), Classifier(plain())
    watching = monitor("noise", "sharpness", "valley", l2=0.3, tolerance=1e-8)
    fit(module, photographs, watching, max_steps=3)
    state, rate = photographs.seen[3]
    expected = Dense(module, state, l2=0.3).expected(rate)
    for name in ("mean_gradient_sq", "noise_trace", "sharpness", "valley_loss_100"):
        assert watching.history[-1].metrics[name] == pytest.approx(expected[name].item(), rel=1e-6), name


def test_a_submodule_is_measured_as_the_whole_where_it_is_the_whole():
    whole, part = (monitor("noise", "sharpness", module=name, prefix=f"{name}/") for name in ("", "net"))
    fit(Classifier(plain()), whole, part)
    assert [row.metrics for row in whole.history] == [row.metrics for row in part.history]


def test_it_logs_each_measurement_under_its_prefix_and_tells_the_cost(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("sgdlab.diagnostics.lightning.rank_zero_info", told.append)
    watching, logger = monitor("sharpness", prefix="seen/"), CSVLogger(tmp_path)
    trainer = fit(Classifier(plain()), watching, logger=logger, log_every_n_steps=50)
    with (tmp_path / "lightning_logs/version_0/metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == watching.curves["step"] == [0, 3, 6, 8]
    assert [float(row["seen/sharpness"]) for row in rows] == pytest.approx(watching.curves["sharpness"])
    assert trainer.callback_metrics["seen/sharpness"].item() == pytest.approx(watching.curves["sharpness"][2])
    assert all(seconds > 0 for seconds in watching.curves["seconds"])
    assert 0 < watching.share_of_training < 1
    (line,) = told
    assert line.startswith("seen: measuring took ")
    assert line.endswith(f"{watching.share_of_training:.0%} of the training's time")


def test_a_resumed_training_goes_on_warm_to_the_same_bits(tmp_path):
    """A cold start would agree to the tolerance only, and take more products."""
    options = {"tolerance": 0.02, "every_num_steps": 2}

    def checkpoints():
        return ModelCheckpoint(tmp_path, filename="at-{step}", every_n_train_steps=4, save_top_k=-1)

    whole = monitor("sharpness", "noise", **options)
    fit(Classifier(plain()), whole, checkpoints(), enable_checkpointing=True)
    resumed = monitor("sharpness", "noise", **options)
    module = Classifier(plain())
    fit(module, resumed, ckpt_path=tmp_path / "at-step=4.ckpt", max_steps=8)
    assert resumed.curves["step"] == whole.curves["step"] == [0, 2, 4, 6, 8]
    before = [row.metrics for row in whole.history[:2]]
    assert [row.metrics for row in resumed.history[:2]] == before
    # the batches that follow are others, so only the measurement at the checkpoint itself is the same
    assert resumed.history[2].metrics == whole.history[2].metrics


def test_an_end_that_training_goes_on_from_is_no_step_of_the_cadence(tmp_path):
    whole, stopped, resumed = (monitor("noise", every_num_steps=4) for _ in range(3))
    trainer = fit(Classifier(plain()), stopped, max_steps=6)
    trainer.save_checkpoint(tmp_path / "end.ckpt")
    assert stopped.curves["step"] == [0, 4, 6]
    fit(Classifier(plain()), resumed, ckpt_path=tmp_path / "end.ckpt", max_steps=9)
    fit(Classifier(plain()), whole, max_steps=9)
    assert resumed.curves["step"] == whole.curves["step"] == [0, 4, 8, 9]


def test_a_new_training_begins_anew():
    watching = monitor("noise")
    fit(Classifier(plain()), watching)
    fit(Classifier(with_state()), watching, max_steps=2)
    assert watching.curves["step"] == [0, 2]


def test_two_monitors_keep_states_of_their_own():
    one, other = monitor("noise", prefix="a/"), monitor("noise", prefix="b/")
    assert len({one.state_key, other.state_key, monitor("noise", prefix="a/", module="net").state_key}) == 3


def test_what_is_not_finite_is_nan_and_training_goes_on():
    module = Classifier(plain())
    with torch.no_grad():
        module.net[2].weight.fill_(math.inf)
    watching = monitor("noise", "sharpness")
    fit(module, watching, max_steps=3)
    assert watching.curves["step"] == [0, 3]
    assert all(math.isnan(value) for row in watching.history for value in row.metrics.values())


def test_layers_that_thaw_are_measured_with_the_rest():
    class Thaw(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            pl_module.net[0].requires_grad_(trainer.global_step >= 3)

    module, watching = Classifier(plain()), monitor("sharpness", tolerance=1e-8)
    photographs = Photographs()
    fit(module, Thaw(), photographs, watching, max_steps=4)
    state, rate = photographs.seen[3]
    expected = Dense(module, state).expected(rate)["sharpness"].item()
    assert watching.curves["sharpness"][1] == pytest.approx(expected)
    assert watching.curves["sharpness"][0] < watching.curves["sharpness"][1]


# ---- refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantities", "options", "message"),
    [
        (["shrapness"], {}, r"LandscapeMonitor: quantities\[0\]='shrapness': .*'sharpness'"),
        ([], {}, "LandscapeMonitor: quantities is empty"),
        (["noise"], {"tolerence": 1}, r"tolerence is not a key \(did you mean tolerance\?\)"),
        (["noise"], {"num_passes": 1}, "num_passes=1: .* greater than or equal to 2"),
        (["noise"], {"every_num_steps": 0}, "every_num_steps=0 must be at least 1"),
        (["gap"], {}, r"gap is about the test loss: give test=\(inputs, targets\)"),
        (["update"], {}, r"update is about the test loss: give test=\(inputs, targets\)"),
        (["noise"], {"train": examples(0)}, "train has no example"),
        (["gap"], {"test": examples(0)}, "test has no example"),
        (["noise"], {"batch_size": 25}, "batch_size=25 must be at most the 24 examples"),
        (["noise"], {"batch_size": 0}, "batch_size=0 must be at least 1"),
        (["noise"], {"num_examples": 5}, "batch_size=6 must be at most the 5 examples"),
    ],
)
def test_bad_input_is_refused_at_once(quantities, options, message):
    with pytest.raises(UserError, match=message) as caught:
        monitor(*quantities, **options)
    assert "\n" not in str(caught.value)


class TwoRates(Classifier):
    def configure_optimizers(self):
        groups = [{"params": self.net[0].parameters(), "lr": 0.1}, {"params": self.net[2].parameters()}]
        return torch.optim.SGD(groups, lr=0.2)


def test_two_learning_rates_are_refused_and_each_part_can_be_measured():
    with pytest.raises(UserError, match=r"have learning rates 0\.1, 0\.2, and a step of SGD has one"):
        fit(TwoRates(plain()), monitor("noise"))
    watching = monitor("valley", module="net.2", train=(examples()[0][:, :3], TRAIN[1]))
    fit(TwoRates(plain()), watching, max_steps=1)
    assert watching.curves["step"] == [0, 1]


def test_a_module_that_is_not_there_is_refused():
    with pytest.raises(UserError, match="module='head': Classifier has no such submodule"):
        fit(Classifier(plain()), monitor("noise", module="head"))


def test_a_module_without_parameters_is_refused():
    with pytest.raises(UserError, match="no parameter to differentiate by"):
        fit(Classifier(plain()), monitor("noise", module="net.1"))
