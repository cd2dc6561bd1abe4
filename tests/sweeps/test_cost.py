"""The cost model against numbers worked out by hand; what it believes, in which order; what memory allows."""

import math

import pytest

from sgdlab.config.landscape import MeasuredLandscape, num_example_gradients
from sgdlab.config.schema import Run
from sgdlab.config.shapes import shape_of, step_of
from sgdlab.machine.devices import Device
from sgdlab.machine.speeds import BackendSpeed, SpeedTable, TrainingSpeed
from sgdlab.runs.index import Speed
from sgdlab.sweeps.cost import CostModel, PackEstimate, StepCosts, Work, guess, work_of

CPU = Device("cpu", "made", None)
RUN = Run.model_validate(
    {
        "data": {"kind": "digits", "num_train": 100, "num_test": 50},
        "model": {"kind": "mlp", "hidden_widths": [8]},
        "loss": {"kind": "cross_entropy"},
        "regularizer": {"kind": "none"},
        "optimizer": {"lr": 0.5, "batch_size": 8},
        "schedule": {"kind": "constant"},
        "budget": {"kind": "updates", "num_updates": 250},
        "evaluation": {"kind": "updates", "every_num_updates": 100},
    }
)


def speed(update_s=0.0, backend="b", setup_s=0.0, evaluation_s=0.0, example_s=0.0, gradient_s=0.0):
    return TrainingSpeed(backend, setup_s, update_s, evaluation_s, example_s, gradient_s)


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return SpeedTable(step_of(RUN), CPU.name)


# ---- the arithmetic -------------------------------------------------------------------------------------


def test_the_work_of_a_run():
    # evaluations after 100, 200 and 250 updates, of 150 examples each; 13 minibatches hold 100 examples
    assert work_of(RUN, "none") == Work(250, 3, 450, 0)
    assert work_of(RUN, "end") == Work(250, 3, 450, 13)
    assert work_of(RUN, "evaluations") == Work(250, 3, 450, 39)
    assert work_of(RUN, "end") + work_of(RUN, "none") == Work(500, 6, 900, 13)
    assert Work(5, 4, 3, 2) - Work(1, 1, 1, 1) == Work(4, 3, 2, 1)


def test_the_landscape_is_work_too():
    measured = MeasuredLandscape(quantities=("step", "valley"), num_batches=10)
    run = RUN.model_copy(update={"landscape": measured})
    # ∇C, ‖H‖_{S_n}; step: a pass, and 10 times a pass and 8 of 100 examples; valley: a pass, 5 passes and
    # products; three times over 100 examples, a gradient as 5 passes
    gradients = 1 + 2.5 + (1 / 3 + 10 * (1 / 3 + 0.08)) + (1 / 3 + 5 * (1 / 3 + 2.5))
    assert work_of(run, "end") == Work(250, 3, 450 + round(3 * 5 * 100 * gradients), 13)


def test_a_plan_with_the_landscape_does_not_promise_minutes_for_hours(table):
    table.add_training(1, speed(1e-6, example_s=1e-3))
    run = RUN.model_copy(update={"landscape": MeasuredLandscape(quantities=("sharpness", "interaction"))})
    with_it, without = (CostModel(CPU, None).estimate([one], "none").seconds for one in (run, RUN))
    assert without == pytest.approx(450e-3, rel=0.01)
    assert with_it > 100 * without


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"quantities": ("noise",)}, {"quantities": ("noise", "sharpness")}),
        ({"quantities": ("sharpness",)}, {"quantities": ("sharpness",), "tolerance": 1e-6}),
        ({"quantities": ("interaction",)}, {"quantities": ("interaction",), "num_passes": 9}),
        ({"quantities": ("step",)}, {"quantities": ("step",), "num_batches": 30}),
        ({"quantities": ("valley",), "num_examples": 50}, {"quantities": ("valley",)}),
    ],
)
def test_whatever_makes_a_measurement_longer_makes_its_estimate_larger(less, more):
    few, many = (num_example_gradients(MeasuredLandscape(**one), 100, 50, 8) for one in (less, more))
    assert 0 < few < many


def test_what_quantities_share_is_counted_once():
    def gradients(*quantities):
        return num_example_gradients(MeasuredLandscape(quantities=quantities), 100, 50, 8)

    assert gradients("noise", "gap") == pytest.approx(gradients("gap"))
    assert gradients("sharpness", "valley") < gradients("sharpness") + gradients("valley")


def test_the_time_of_a_pack():
    costs = StepCosts({4: speed(2.0, setup_s=7.0, evaluation_s=0.5, example_s=0.1, gradient_s=3.0)})
    work = Work(num_updates=400, num_evaluations=12, num_examples=600, num_gradients=8)
    # 400·2 + (12/4)·0.5 + 600·0.1 + 8·3 + 7: the four runs are evaluated together, three times
    assert costs.pack_s(work, 4) == pytest.approx(800 + 1.5 + 60 + 24 + 7)


def test_between_measured_widths_the_time_of_the_pack_is_a_straight_line():
    costs = StepCosts({2: speed(4.0, setup_s=1.0, backend="a"), 8: speed(2.0, setup_s=4.0, backend="b")})
    # one update of the pack takes 8 at width 2 and 16 at width 8: 8 + (16 − 8)/3 at width 4
    assert costs.at(4).update_s == pytest.approx((8 + 8 / 3) / 4)
    assert costs.at(4).setup_s == pytest.approx(2.0)
    assert (costs.at(4).backend, costs.at(5).backend) == ("a", "b")
    for width in (2, 8):
        assert costs.at(width) == costs.by_width[width]


def test_a_narrower_pack_takes_no_less_and_a_wider_one_is_as_good():
    costs = StepCosts({2: speed(4.0, example_s=1.0, gradient_s=6.0), 8: speed(2.0)})
    assert (costs.at(1).update_s, costs.at(1).example_s, costs.at(1).gradient_s) == (8.0, 2.0, 12.0)
    assert costs.at(100) == speed(2.0)


def test_an_estimate_adds_up_its_runs(table):
    table.add_training(2, speed(2e-3, evaluation_s=0.1, example_s=1e-3, gradient_s=1e-2, setup_s=0.25))
    longer = RUN.model_copy(update={"budget": RUN.budget.model_copy(update={"num_updates": 500})})
    expected = CostModel(CPU, None).estimate([RUN, longer], "end")
    # 750 updates; 3 + 5 evaluations, shared by two; 8·150 examples; 2·13 gradients; one setup
    seconds = 750 * 2e-3 + 8 / 2 * 0.1 + 1200 * 1e-3 + 26 * 1e-2 + 0.25
    assert expected == PackEstimate(pytest.approx(seconds), 2e-3, "b")


# ---- widths ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("update_s", "best"),
    [
        ({1: 1.00, 8: 0.99, 32: 1.0}, 1),  # as a compiled kernel: all widths are as good
        ({1: 8.0, 8: 2.0, 32: 1.02, 128: 1.0}, 32),  # as batched products: wide is better, up to 5 %
        ({1: 8.0, 8: 2.0, 32: 1.06, 128: 1.0}, 128),
        ({1: 8.0, 8: 1.0, 32: 2.0}, 8),
    ],
)
def test_the_best_width_is_the_narrowest_that_is_as_good_as_any(update_s, best):
    costs = StepCosts({width: speed(seconds) for width, seconds in update_s.items()})
    assert costs.best_width(at_most=10**6) == best


def test_the_best_width_stays_within_what_is_allowed():
    by_width = {1: speed(8.0), 8: speed(2.0), 32: speed(1.0)}
    assert StepCosts(by_width).best_width(at_most=20) == 20
    assert StepCosts(by_width).best_width(at_most=5) == 5
    assert StepCosts(by_width, widest=9).best_width(at_most=20) == 9
    assert StepCosts(by_width, widest=9, is_explored=False).best_width(at_most=20) == 9
    assert StepCosts(by_width, is_explored=False).best_width(at_most=20) == 20


def test_memory_allows_what_the_last_two_packs_tell(table):
    for width, num_bytes in {8: 1800, 32: 4200}.items():  # 1000, and 100 for each run
        table.add_training(width, speed(1.0))
        table.add(width, "b", BackendSpeed(0.0, 1.0, num_bytes))
        table.add(width, "other", BackendSpeed(0.0, 1.0, 10**9))  # isn't the one that trains
    assert CostModel(CPU, 5000).measured(RUN).widest == 40
    assert CostModel(CPU, 1500).measured(RUN).widest == 5
    assert CostModel(CPU, 10).measured(RUN).widest == 1
    assert CostModel(CPU, None).measured(RUN).widest is None


def test_memory_of_one_pack_alone_is_shared_out(table):
    table.add_training(8, speed(1.0))
    assert CostModel(CPU, 5000).measured(RUN).widest is None  # nothing is known of its memory
    table.add(8, "b", BackendSpeed(0.0, 1.0, 1600))
    assert CostModel(CPU, 5000).measured(RUN).widest == 25


# ---- what is believed -----------------------------------------------------------------------------------


def finished(seconds_per_update, pack_width=4, device="cpu", shape=None):
    return Speed(shape or shape_of(RUN), device, pack_width, seconds_per_update, 3)


def test_nothing_known_is_none(table):
    assert CostModel(CPU, None).of(RUN) is None
    assert CostModel(CPU, None).estimate([RUN], "end") is None


def test_finished_runs_tell_where_nothing_was_measured(table):
    model = CostModel(CPU, None, finished=[finished(2.0), finished(1.0, pack_width=1)])
    assert model.of(RUN) == StepCosts(
        {1: speed(1.0, backend=""), 4: speed(0.5, backend="")}, is_explored=False
    )
    assert model.measured(RUN) is None
    table.add_training(8, speed(0.125))
    assert CostModel(CPU, None, finished=[finished(2.0)]).of(RUN).by_width == {8: speed(0.125)}


def test_what_others_took_tells_nothing(table):
    others = [finished(2.0, device="NVIDIA A"), finished(2.0, pack_width=None), finished(2.0, shape="x")]
    assert CostModel(CPU, None, finished=others).of(RUN) is None
    gpu = Device("cuda", "NVIDIA A", None)
    assert CostModel(gpu, None, finished=others).of(RUN).at(4).update_s == 0.5


def test_of_several_backends_the_fastest_counts_unless_one_is_asked_for(table):
    table.add_training(8, speed(0.5, backend="slow"))
    table.add_training(8, speed(0.25, backend="fast"))
    table.add_training(1, speed(0.75, backend="slow"))
    assert CostModel(CPU, None).of(RUN).by_width == {1: speed(0.75, "slow"), 8: speed(0.25, "fast")}
    assert CostModel(CPU, None, "slow").of(RUN).by_width == {1: speed(0.75, "slow"), 8: speed(0.5, "slow")}
    assert CostModel(CPU, None, "batched").of(RUN) is None


def test_a_guess_grows_with_the_network():
    wider = RUN.model_copy(update={"model": RUN.model.model_copy(update={"hidden_widths": (80,)})})
    ratio = guess(wider).at(32).update_s / guess(RUN).at(32).update_s
    assert math.isclose(ratio, 10)
    assert guess(RUN).at(6).update_s * 6 == guess(RUN).at(12).update_s * 12
