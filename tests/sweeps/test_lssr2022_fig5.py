"""Figure 5 of lssr2022 (right), and the emulation of roberts2018: what the files say of their equations."""

from fractions import Fraction

import pytest

from sgdlab.config.numbers import evaluate
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.files import load_sweep
from sgdlab.sweeps.finding import find_sweep
from sgdlab.sweeps.references import names_at


@pytest.fixture(scope="module")
def sweep_of(composer):
    def load(name, scale, **overrides):
        return load_sweep(find_sweep(name), scale, composer, overrides)

    return load


@pytest.mark.parametrize("scale", ["paper", "laptop"])
def test_the_curves_are_those_of_rho_b_over_eta(sweep_of, scale):
    """Eq. 12 by its definition, in fractions: tr S_n = ρ·tr S_1 and S_b = γ/b·S_1 + (1 − γ/b)·S_n."""
    sweep = sweep_of("lssr2022/fig5right", scale)
    curve = sweep.drawing.contours[0]
    for panel in sweep.panels.values():
        (grid,) = panel.grids.values()
        num_train = panel.base["data.num_train"]
        assert max(grid.axes["optimizer.batch_size"]) == num_train
        for b in map(int, grid.axes["optimizer.batch_size"]):
            share = Fraction(num_train - b, num_train - 1) / b
            rho_b = 1 / (share * 2**7 + 1 - share)
            found = evaluate(
                curve.of, names_at(panel, grid, {"optimizer.batch_size": b, "optimizer.lr": 0.5})
            )
            assert found == pytest.approx(2 * float(rho_b), rel=1e-12)


def test_the_penalty_of_the_emulation_is_as_strong_as_the_learning_rate(sweep_of, composer):
    rows = list(expand(sweep_of("roberts2018/emulate", "laptop"), composer))
    penalised = [row.run for row in rows if row.run.regularizer.kind == "gradient_noise"]
    plain = [row.run for row in rows if row.run.regularizer.kind == "none"]
    assert len(penalised) * 2 == len(plain)
    assert all(run.regularizer.strength == run.optimizer.lr for run in penalised)
    assert {run.regularizer.micro_batch_size for run in penalised} == {
        min(run.optimizer.batch_size for run in plain)
    }
    assert len({run.num_updates for run in plain + penalised}) == 1
