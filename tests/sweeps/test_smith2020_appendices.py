"""The sweeps of smith2020's appendices C.3, D, E: what they train, how much, and who says what is claimed."""

import math

import pytest

from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.files import describe_sweeps, load_sweep
from sgdlab.sweeps.finding import find_sweep

NUM_SEEDS = 15
MODELS = ("wrn", "resnet50", "lstm", "autoencoder")


@pytest.fixture(scope="module")
def sweep_of(composer):
    """Return sweep_of(figure, scale)."""
    known = {}

    def load_once(figure, scale="paper"):
        if (figure, scale) not in known:
            known[figure, scale] = load_sweep(find_sweep(f"smith2020/{figure}"), scale, composer, {})
        return known[figure, scale]

    return load_once


@pytest.fixture(scope="module")
def rows_of(composer, sweep_of):
    """Return rows_of(figure): the wanted runs of its paper scale, each expanded once."""
    known = {}

    def expand_once(figure):
        if figure not in known:
            known[figure] = list(expand(sweep_of(figure), composer))
        return known[figure]

    return expand_once


@pytest.mark.parametrize(
    ("figure", "num_points"),
    [
        ("appC3_wrn", 2 * 2 * 10 * 12),  # with normalisation and without, B = 2**4 … 2**13
        ("appC3_resnet50", 2 * 8 * 12),  # B = 2**8 … 2**15
        ("appC3_lstm", 2 * 10 * 11),  # B = 2**2 … 2**11
        ("appC3_autoencoder", 2 * 10 * 14),  # B = 2**4 … 2**13
        ("appD_wrn", 2 * 8 * 10),  # B = 2**8 … 2**15
        ("appD_resnet50", 8 * 11),
        ("appD_lstm", 10 * 11),  # B = 2**3 … 2**12
        ("appD_autoencoder", 10 * 14),
        ("appE_wrn", 2 * 6 * 11),
        ("appE_resnet50", 5 * 10),
        ("appE_lstm", 6 * 10),
        ("appE_autoencoder", 6 * 13),
    ],
)
def test_the_grids_of_the_paper_have_so_many_points(rows_of, figure, num_points):
    assert len(rows_of(figure)) == num_points * NUM_SEEDS


@pytest.mark.parametrize("appendix", ["appC3", "appE"])
@pytest.mark.parametrize("model", MODELS)
def test_the_learning_rates_are_drawn_of_the_same_runs(rows_of, appendix, model):
    of_the_metric, of_the_rates = rows_of(f"{appendix}_{model}"), rows_of(f"{appendix}_{model}_rates")
    assert [row.key for row in of_the_metric] == [row.key for row in of_the_rates]


@pytest.mark.parametrize(
    ("model", "num_updates"),
    [("wrn", 9765), ("resnet50", 112_603), ("lstm", 39 * (26_559 // 64) + 39), ("autoencoder", 46_875)],
)
def test_in_appendix_d_all_runs_have_as_many_updates_as_a_usual_training(rows_of, model, num_updates):
    runs = [row.run for row in rows_of(f"appD_{model}")]
    assert {run.num_updates for run in runs} == {num_updates}
    assert {run.optimizer.momentum for run in runs} == {0.9}


@pytest.mark.parametrize("model", MODELS)
def test_momentum_has_the_effective_learning_rates_of_sgd(rows_of, model):
    effective = {"sgd": set(), "momentum": set()}
    for row in rows_of(f"appC3_{model}"):
        optimizer = row.run.optimizer
        effective[row.grid].add(round(math.log2(optimizer.lr / (1 - optimizer.momentum)), 6))
    assert effective["sgd"] == effective["momentum"]


@pytest.mark.parametrize("appendix", ["appC3", "appD", "appE"])
@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_the_schedule_of_the_paper(rows_of, appendix, model):
    for row in rows_of(f"{appendix}_{model}"):
        schedule = row.run.schedule
        assert (schedule.hold_fraction, schedule.num_drops, schedule.factor) == (0.5, 10, 2)
        assert row.run.optimizer.order == ("sequential" if model == "lstm" else "independent")


def test_the_models_are_the_papers(rows_of):
    wrn = {row.panel: row.run for row in rows_of("appD_wrn")}
    for run in wrn.values():
        assert (run.model.depth, run.model.width, run.data.kind, run.loss.l2) == (28, 10, "cifar100", 5e-4)
        assert (run.data.crop_padding, run.data.flip) == (4, True)
    assert (wrn["norm"].model.norm, wrn["norm"].model.ghost_size) == ("batch", 64)
    assert (wrn["no_norm"].model.norm, wrn["no_norm"].model.dropout) == ("skipinit", 0.6)

    resnet50 = rows_of("appD_resnet50")[0].run
    assert (resnet50.model.kind, resnet50.model.ghost_size) == ("resnet50", 64)
    assert resnet50.data.kind == "imagenet"
    assert (resnet50.loss.l2, resnet50.data.crop, resnet50.data.flip) == (1e-4, "random_resized", True)

    autoencoder = rows_of("appD_autoencoder")[0].run
    assert (autoencoder.model.encoder_widths, autoencoder.data.kind) == ((1000, 500, 250, 30), "mnist")
    assert (autoencoder.loss.kind, autoencoder.data.standardize) == ("bernoulli", "none")


def test_the_lstms_rates_and_clipping_are_zarembas_over_the_words_of_a_window(rows_of):
    """A rate of 1 for the sum over T words is T for their mean, and so is a norm of 5 one of 5/T."""
    for figure in ("appC3_lstm", "appD_lstm", "appE_lstm"):
        runs = [row.run for row in rows_of(figure)]
        assert {(run.model.hidden_width, run.model.num_layers, run.model.dropout) for run in runs} == {
            (650, 2, 0.5)
        }
        assert {run.data.num_steps for run in runs} == {35}
        assert {round(run.optimizer.clip_norm * 35, 9) for run in runs} == {5}
        theirs = {round(run.optimizer.lr / (1 - run.optimizer.momentum) / 35, 9) for run in runs}
        assert theirs >= {0.25, 0.5, 1, 2, 4}


@pytest.mark.parametrize(
    ("model", "metric"),
    [
        ("wrn", "test_accuracy.final"),
        ("resnet50", "test_accuracy.final"),
        ("lstm", "test_perplexity.final"),
        ("autoencoder", "test_loss.final"),
    ],
)
@pytest.mark.parametrize("appendix", ["appC3", "appD", "appE"])
def test_runs_are_ranked_and_judged_by_one_metric(sweep_of, appendix, model, metric):
    sweep = sweep_of(f"{appendix}_{model}")
    assert (sweep.protocol.num_seeds, sweep.protocol.keep, sweep.protocol.rank_by) == (15, 12, metric)
    assert {curve.metric for curve in sweep.drawing.curves} == {metric}
    assert {claim.metric for claim in sweep.claims} == {metric, "train_loss.final"}
    worse = sweep.claims[{"appC3": 1, "appD": 0, "appE": 0}[appendix]].expect
    is_worse_below = (appendix != "appE") == (metric == "test_accuracy.final")
    assert (worse.below, worse.above) == ((0, None) if is_worse_below else (None, 0))


@pytest.mark.parametrize("model", MODELS)
def test_only_what_the_main_text_says_has_a_source(sweep_of, model):
    figures = [f"appC3_{model}", f"appC3_{model}_rates", f"appE_{model}", f"appE_{model}_rates"]
    for figure in figures:
        assert {claim.source for claim in sweep_of(figure).claims} == {"missing"}
    drop, training_loss = sweep_of(f"appD_{model}").claims
    assert drop.source == ("missing" if model == "resnet50" else "at hand")
    assert training_loss.source == "missing"


def test_two_models_have_a_laptop_scale():
    scales = {one.name: one.scales for one in describe_sweeps() if one.name.startswith("smith2020/app")}
    for appendix in ("C3", "D", "E"):
        for model in MODELS:
            asked_for = ["paper", "laptop"] if model in ("wrn", "autoencoder") else ["paper"]
            assert scales[f"smith2020/app{appendix}_{model}"] == asked_for
