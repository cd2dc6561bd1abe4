"""The lines before and after training."""

import pytest

from sgdlab.config.components import CrossEntropyLoss, GradientNormRegularizer
from sgdlab.config.models import MlpModel
from sgdlab.config.schema import Run
from sgdlab.machine.c_compiler import NoCompilerError
from sgdlab.machine.devices import Device
from sgdlab.orchestration import expectation
from sgdlab.orchestration.expectation import announce, compare
from sgdlab.sweeps.cost import WORKER_START_S, PackEstimate
from sgdlab.sweeps.estimate import Estimate

CPU, GPU = Device("cpu", "this CPU", None), Device("cuda", "that GPU", None)
KNOWN = Estimate("this CPU", 2, tuple(PackEstimate(seconds, 1e-6, "b") for seconds in (90.0, 60.0, 20.0)))
UNKNOWN = Estimate("this CPU", 2, (PackEstimate(90.0, 1e-6, "b"), None))
RUN = Run.model_validate(
    {
        "data": {"kind": "digits"},
        "model": {"kind": "mlp", "hidden_widths": [8]},
        "loss": CrossEntropyLoss(),
        "regularizer": {"kind": "none"},
        "optimizer": {"lr": 0.1, "batch_size": 8},
        "schedule": {"kind": "constant"},
        "budget": {"kind": "updates", "num_updates": 10},
        "evaluation": {"kind": "updates", "every_num_updates": 5},
    }
)


@pytest.fixture
def no_compiler(monkeypatch):
    def refuse():
        raise NoCompilerError("no C compiler")

    monkeypatch.setattr(expectation, "find_compiler", refuse)


def test_the_times_of_an_estimate_by_hand():
    assert KNOWN.wall_s == 90 + WORKER_START_S  # 90 beside 60 and 20
    assert KNOWN.device_s == 170 + 2 * WORKER_START_S
    assert (UNKNOWN.wall_s, UNKNOWN.device_s) == (None, None)
    assert Estimate("x", 5, KNOWN.packs).device_s == 170 + 3 * WORKER_START_S  # no more workers than packs
    assert (Estimate("x", 2, ()).wall_s, Estimate("x", 2, ()).device_s) == (0, 0)


def test_one_line_before_and_one_after(capsys):
    announce(KNOWN, [RUN], GPU)
    compare(KNOWN, 188.0)
    assert capsys.readouterr().err.splitlines() == [
        "time: about 94 s on that GPU",
        "took 3.1 min; 94 s were expected (2.00 times that)",
    ]


def test_what_is_unknown_is_said_with_the_way_to_know(capsys):
    announce(UNKNOWN, [RUN], GPU)
    compare(UNKNOWN, 7.0)
    first, last = capsys.readouterr().err.splitlines()
    assert first == "time: unknown, as not all of it was measured here: `sgdlab plan … --measure`"
    assert last == "took 7.0 s"


SLOWER = {
    "plain": {},
    "exact penalty": {"regularizer": GradientNormRegularizer(strength=1.0)},
}
ALIKE = {
    "tanh": {"model": MlpModel(hidden_widths=(8,), activation="tanh")},
    "differences": {"regularizer": GradientNormRegularizer(strength=1.0, estimator="forward_difference")},
}


@pytest.mark.usefixtures("no_compiler")
def test_without_a_compiler_one_line_says_so_where_it_matters(capsys):
    for changes in SLOWER.values():
        announce(KNOWN, [RUN.model_copy(update=ALIKE["tanh"]), RUN.model_copy(update=changes)], CPU)
        assert capsys.readouterr().err.splitlines()[1:] == [
            "no C compiler: ReLU MLPs train several times slower; install gcc or clang, or set $CC"
        ]
    announce(KNOWN, [RUN.model_copy(update=changes) for changes in ALIKE.values()], CPU)
    announce(KNOWN, [RUN], GPU)
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_with_a_compiler_nothing_is_said(capsys, monkeypatch):
    monkeypatch.setattr(expectation, "find_compiler", lambda: ("/usr/bin/cc", "cc 12"))
    announce(KNOWN, [RUN], CPU)
    assert len(capsys.readouterr().err.splitlines()) == 1
