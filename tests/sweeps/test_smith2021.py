"""The sweeps of smith2021 at paper scale: what they train, how much, and which runs figures share."""

from fractions import Fraction

import pytest

from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.files import load_sweep
from sgdlab.sweeps.finding import find_sweep

NUM_SEEDS = 7


@pytest.fixture(scope="module")
def rows_of(composer):
    """Return rows_of(figure): the wanted runs of its paper scale, each expanded once."""
    known = {}

    def expand_once(figure):
        if figure not in known:
            sweep = load_sweep(find_sweep(f"smith2021/{figure}"), "paper", composer, {})
            known[figure] = list(expand(sweep, composer))
        return known[figure]

    return expand_once


@pytest.mark.parametrize(
    ("figure", "num_points"),
    [
        ("fig2b", 10),
        ("fig3a", 5 * (12 + 10)),  # B = 2**4 … 2**8, ε = 2**-12 … 2**-1; the collapse is up to 2**-3
        ("fig3b", 5 * 12),
        ("fig4a", 5 * 11),  # n = 1, 2, 4, 8, 16, α = 2**-11 … 2**-1
        ("fig4b", 5 * 11),
        ("fig4c", 5 * 5 * 11),  # budgets of 50 … 800 epochs
        ("fig6a", 15 + 15 + 1),
        ("fig6b", 4 * 15),  # B = 2**3 … 2**6, ε = 2**-12 … 2**2
        ("fig6c", 4 * 15),
        ("fig7a", 5 * 15),
        ("fig7b", 5 * 15),
        ("fig7c", 5 * 5 * 15),
    ],
)
def test_the_grids_of_the_paper_have_so_many_points(rows_of, figure, num_points):
    assert len(rows_of(figure)) == num_points * NUM_SEEDS


@pytest.mark.parametrize(
    ("figure", "others", "num_shared"),
    [
        ("fig3a", ["fig1b"], 10),  # B = 32, ε = 2**-12 … 2**-3
        ("fig3b", ["fig1b"], 10),  # B = 32, λ = 2**-12 … 2**-3
        ("fig4b", ["fig4a"], 11),  # n = 4
        ("fig4c", ["fig4a"], 5 * 11),  # 400 epochs
        ("fig6b", ["fig6a"], 15),  # B = 16
        ("fig6c", ["fig6a"], 15),
        ("fig7a", ["fig6a", "fig6b"], 15),  # n = 1
        ("fig7b", ["fig7a"], 15),  # n = 4
        ("fig7c", ["fig7a"], 5 * 15),  # 400 epochs
    ],
)
def test_figures_share_the_runs_that_they_have_in_common(rows_of, figure, others, num_shared):
    keys = {row.key for row in rows_of(figure)}
    for other in others:
        assert len(keys & {row.key for row in rows_of(other)}) == num_shared * NUM_SEEDS


@pytest.mark.parametrize(
    ("figure", "num_updates", "num_evaluations"),
    [
        ("fig3b", 10**7, 1600),
        ("fig4b", 2_500_000, 100),
        ("fig6c", 1_500_000, 400),
        ("fig7b", 6 * 10**6, 400),
    ],
)
def test_at_a_fixed_number_of_updates_all_curves_have_it_and_as_many_evaluations(
    rows_of, figure, num_updates, num_evaluations
):
    runs = [row.run for row in rows_of(figure)]
    assert {run.num_updates for run in runs} == {num_updates}
    # a distance is of whole minibatches, and so may be rounded down by a part of one
    assert {num_updates // run.evaluate_every_num_updates for run in runs} == {num_evaluations}


@pytest.mark.parametrize(("figure", "num_epochs"), [("fig4a", 400), ("fig7a", 400)])
def test_at_a_fixed_number_of_epochs_n_steps_make_n_times_the_updates(rows_of, figure, num_epochs):
    for row in rows_of(figure):
        num_batches = Fraction(num_epochs * row.run.data.num_train, row.run.optimizer.batch_size)
        assert row.run.num_updates == num_batches * row.run.optimizer.inner_steps


def test_figure_4_is_a_wide_resnet_that_holds_its_rate_and_halves_it_five_times(rows_of):
    for figure in ("fig4a", "fig4b", "fig4c"):
        for run in {row.key: row.run for row in rows_of(figure)}.values():
            assert (run.model.kind, run.model.depth, run.model.width) == ("wide_resnet", 16, 4)
            assert (run.model.norm, run.data.kind) == ("skipinit", "cifar10")
            schedule = run.schedule
            assert (schedule.hold_fraction, schedule.num_drops, schedule.factor) == (0.5, 5, 2)


def test_figures_6_and_7_are_a_wide_mlp_without_weight_decay(rows_of):
    for figure in ("fig6a", "fig6b", "fig6c", "fig7a", "fig7b"):
        run = rows_of(figure)[0].run
        assert (run.model.hidden_widths, run.data.kind) == ((4096, 4096, 4096), "fashion_mnist")
        assert (run.loss.l2, run.data.standardize, run.schedule.kind) == (0, "per_image", "constant")
