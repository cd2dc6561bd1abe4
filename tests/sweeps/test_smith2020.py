"""The sweeps of smith2020's figures 2, 3, C.1 and C.2: what they train, and which runs figures share."""

import pytest

from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.files import load_sweep
from sgdlab.sweeps.finding import find_sweep


@pytest.fixture(scope="module")
def load(composer):
    """Return load(figure, scale)."""
    return lambda figure, scale: load_sweep(find_sweep(f"smith2020/{figure}"), scale, composer, {})


@pytest.fixture(scope="module")
def rows_of(load, composer):
    """Return rows_of(figure, scale): the wanted runs of the first seed, each figure expanded once."""
    known = {}

    def expand_once(figure, scale="paper"):
        if (figure, scale) not in known:
            sweep = load(figure, scale)
            one_seed = sweep.model_copy(
                update={"protocol": sweep.protocol.model_copy(update={"num_seeds": 1, "keep": 1})}
            )
            known[figure, scale] = list(expand(one_seed, composer))
        return known[figure, scale]

    return expand_once


def keys(rows):
    return {row.key for row in rows}


@pytest.mark.parametrize(
    ("figure", "num_points", "num_seeds", "keep"),
    [
        ("fig2a", 2 * 8 * 13, 15, 12),  # with normalisation and without, 50 … 6400 epochs, ε = 2**-9 … 2**3
        ("fig3a", 8 * 11 * 11, 7, 5),  # initial ε = 2**-7 … 2**3, final ε = 2**-22, 2**-20 … 2**-2
        ("appC1", 2 * 2 * 12, 15, 12),
        ("appC2a", 2 * 10 * 12, 15, 12),
    ],
)
def test_the_grids_of_the_paper_have_so_many_points(load, rows_of, figure, num_points, num_seeds, keep):
    assert len(rows_of(figure)) == num_points
    protocol = load(figure, "paper").protocol
    assert (protocol.num_seeds, protocol.keep) == (num_seeds, keep)


@pytest.mark.parametrize("scale", ["paper", "laptop"])
@pytest.mark.parametrize(
    ("first", "others"),
    [("fig2a", "bcd"), ("fig3a", "bcd"), ("appC2a", "bc")],
)
def test_the_parts_of_a_figure_are_the_same_runs(rows_of, scale, first, others):
    for part in others:
        assert keys(rows_of(f"{first[:-1]}{part}", scale)) == keys(rows_of(first, scale))


def test_a_sweep_of_learning_rates_is_of_figure_1s_runs(rows_of):
    assert keys(rows_of("appC1")) < keys(rows_of("fig1a"))


def test_figure_1_without_normalisation_is_another_network_at_paper_scale_alone(rows_of):
    assert keys(rows_of("appC2a")).isdisjoint(keys(rows_of("fig1a")))
    assert keys(rows_of("appC2a", "laptop")) == keys(rows_of("fig1a", "laptop"))


@pytest.mark.parametrize(("figure", "grid"), [("fig2a", "without_norm"), ("appC2a", "sgd")])
def test_without_normalisation_the_network_is_regularized_skipinit(rows_of, figure, grid):
    models = {row.run.model for row in rows_of(figure) if row.grid == grid}
    (model,) = models
    assert (model.depth, model.width) == (16, 4)
    assert (model.norm, model.ghost_size, model.dropout) == ("skipinit", None, 0.6)


@pytest.mark.parametrize(("figure", "smallest_ratio"), [("fig2a", 32), ("fig3a", 32)])
def test_budgets_span_a_factor_of_32_at_least_at_laptop_scale(rows_of, figure, smallest_ratio):
    for grid in {row.grid for row in rows_of(figure, "laptop")}:
        num_updates = {row.run.num_updates for row in rows_of(figure, "laptop") if row.grid == grid}
        assert max(num_updates) / min(num_updates) >= smallest_ratio


def test_the_final_rate_of_figure_3_is_the_one_after_the_last_drop(rows_of):
    for row in rows_of("fig3a")[:20]:
        initial, final = row.run.optimizer.lr, row.point["schedule.final_lr"]
        if initial == final:
            assert row.run.schedule.kind == "constant"
            continue
        schedule = row.run.schedule.starting_at(initial)
        assert initial * schedule.factor**-schedule.num_drops == pytest.approx(final, rel=1e-12)


@pytest.mark.parametrize("scale", ["paper", "laptop"])
def test_what_the_missing_appendices_claim_is_said_to_lack_its_source(load, scale):
    for figure in ("appC1", "appC2a", "appC2b", "appC2c"):
        assert {claim.source for claim in load(figure, scale).claims} == {"missing"}
    for figure in ("fig1a", "fig2a", "fig2b", "fig2c", "fig2d", "fig3a", "fig3b", "fig3c", "fig3d"):
        assert {claim.source for claim in load(figure, scale).claims} == {"at hand"}
