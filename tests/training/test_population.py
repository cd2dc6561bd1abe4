"""A pack equals its runs: to rounding whatever its width, to the bit at one width."""

import numpy as np
import pytest
import torch

from sgdlab.config.components import HoldThenDecaySchedule
from sgdlab.config.datasets import DigitsData, Mnist1dData, PtbData
from sgdlab.config.models import LstmModel, MlpModel, WideResNetModel
from sgdlab.training.members import Member, load_states
from sgdlab.training.population import MAX_UPDATES_PER_CHUNK

IMAGES = DigitsData(num_train=30, num_test=13, crop_padding=1, flip=True)
WIDE_RESNET = WideResNetModel(depth=10, width=1)

TEXT = {
    "data": PtbData(num_steps=3, num_train=11, num_test=5),
    "model": LstmModel(hidden_width=5, dropout=0.3, init_scale=0.3),
    "order": "sequential",
    "batch_size": 3,
}

# Odd widths and batch sizes put slots at every alignment and leave every remainder to vectorised loops.
KINDS = {
    "relu": {},
    "tanh": {"model": MlpModel(hidden_widths=(7, 10, 13), activation="tanh")},
    "gelu": {"model": MlpModel(hidden_widths=(7, 10, 13), activation="gelu")},
    "wide": {"model": MlpModel(hidden_widths=(33, 129)), "batch_size": 11},
    "exact": {"strength": 0.3},
    "exact gelu": {"strength": 0.3, "model": MlpModel(hidden_widths=(13, 7), activation="gelu")},
    "exact tanh": {"strength": 0.3, "model": MlpModel(hidden_widths=(13, 7), activation="tanh")},
    "forward": {"strength": 0.3, "estimator": "forward_difference"},
    "central": {"strength": 0.3, "estimator": "central_difference", "inner_steps": 2},
    "independent": {"order": "independent", "l2": 1e-3},
    "lstm": TEXT,
    "exact lstm": {**TEXT, "strength": 0.1, "clip_norm": 0.5, "num_updates": 3},
    "wide_resnet": {"data": IMAGES, "model": WIDE_RESNET, "batch_size": 3, "num_updates": 3, "l2": 1e-3},
    "exact wide_resnet": {
        "data": IMAGES,
        "model": WIDE_RESNET,
        "batch_size": 1,
        "num_updates": 3,
        "strength": 0.1,
    },
}


def different(options: dict, index: int) -> dict:
    """Vary everything that runs of a pack may differ in."""
    schedules = [None, HoldThenDecaySchedule(num_drops=1), HoldThenDecaySchedule(hold_fraction=0.25)]
    varied = {
        **options,
        "seed": index % 4,
        "lr": 2.0 ** -(3 + index % 5),
        "schedule": schedules[index % 3],
        "l2": options.get("l2", 0) * (1 + index % 2),
    }
    if "strength" in options:
        varied["strength"] = options["strength"] * 2.0 ** -(index % 3)
    return varied


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def relative_difference(one, other, start) -> float:
    """Of two ends, relative to the movement from the start, over all parameters."""
    apart = sum(((one[name] - other[name]).double() ** 2).sum() for name in one)
    moved = sum(((one[name] - start[name]).double() ** 2).sum() for name in one)
    return (apart / moved).sqrt().item()


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_bits_depend_on_neither_slot_nor_companions(make_run, updated, kind, precision) -> None:
    options = {"num_updates": 6, **KINDS[kind], "precision": precision}
    is_large = "resnet" in kind or "lstm" in kind
    width = 9 if is_large else 19  # vectorised sums take up to 16 runs at once, the rest one by one
    runs = [make_run(**different(options, index)) for index in range(2 * width)]
    reference = updated(runs[:width], options["num_updates"])
    for moved_by in (1, 4, width - 1):
        order = [(slot + moved_by) % width for slot in range(width)]
        moved = updated([runs[index] for index in order], options["num_updates"])
        assert all(equal(moved[slot], reference[index]) for slot, index in enumerate(order))
    companions = updated([*runs[width + 1 :], runs[4]], options["num_updates"])
    assert equal(companions[-1], reference[4])
    assert not equal(companions[0], reference[0])


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_bits_of_a_whole_result_depend_on_neither_slot_nor_companions(make_run, train, precision) -> None:
    """Curves, C_reg and correctness bits included, at the width of a large pack."""
    options = {"num_updates": 12, "every": 5, "precision": precision, "l2": 1e-3}
    options |= {"strength": 0.1, "estimator": "forward_difference"}
    runs = [make_run(**different(options, index)) for index in range(27)]
    reference = train(runs, statistics="evaluations").runs
    order = np.random.default_rng(0).permutation(27)
    moved = train([runs[index] for index in order], statistics="evaluations").runs
    for slot, index in enumerate(order):
        assert moved[slot].summary == reference[index].summary
        assert equal(moved[slot].parameters, reference[index].parameters)
        for name, curve in reference[index].curves.items():
            np.testing.assert_array_equal(moved[slot].curves[name], curve)


@pytest.mark.parametrize("kind", ["relu", "exact", "wide_resnet"])
def test_empty_slots_change_nothing_for_the_others(make_run, train, kind) -> None:
    options = {"num_updates": 12, "every": 5, "precision": "float32", **KINDS[kind]}
    runs = [make_run(**different(options, index)) for index in range(5)]
    whole = train(runs, statistics="end").runs
    is_live = [False, True, True, False, True]
    partly = train(runs, is_live=is_live, statistics="end").runs
    for slot, live in enumerate(is_live):
        assert (partly[slot] is not None) == live
        if live:
            assert partly[slot].summary == whole[slot].summary
            assert equal(partly[slot].parameters, whole[slot].parameters)


def test_slots_that_nobody_trains_stay_zero(make_run, make_population) -> None:
    """They cost their share of each product, but no infinity ever slows one down."""
    runs = [make_run(lr=lr, num_updates=80) for lr in (2**-4, 2**-4, 1e300)]  # the last one diverges at once
    population = make_population(runs, is_live=[False, True, True])
    while population.members[0].update < 80:
        population._advance()
    assert population.slots[2].diverged_at is not None
    for values in population.stacked:
        assert [bool(slot.any()) for slot in values.detach()] == [False, True, False]


@pytest.mark.parametrize(("precision", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("kind", ["relu", "tanh", "exact"])
def test_a_member_of_27_equals_itself_alone(
    make_run, make_population, updated, kind, precision, tolerance
) -> None:
    """One update to rounding, 200 to `tolerance` of the movement, at rates at which rounding doesn't grow."""
    rounding = {"float64": 1e-13, "float32": 1e-5}[precision]
    for num_updates, allowed in [(1, rounding), (200, tolerance)]:
        options = {**KINDS[kind], "precision": precision, "num_updates": num_updates}
        runs = [make_run(**{**different(options, i), "lr": 2.0 ** -(8 + i % 4)}) for i in range(27)]
        packed = updated(runs, num_updates)
        for slot in (0, 13, 26):
            (alone,) = updated(runs[slot : slot + 1], num_updates)
            population = make_population(runs[slot : slot + 1])
            start = {n: p[0].detach() for n, p in zip(population.names, population.stacked, strict=True)}
            assert relative_difference(packed[slot], alone, start) < allowed


def test_same_seed_same_start_whatever_else_differs(make_run, make_population) -> None:
    runs = [make_run(seed=1), make_run(seed=1, lr=0.5, l2=0.1), make_run(seed=2)]
    first, same, other = (p.detach() for p in make_population(runs).stacked[0])
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    single = make_population([make_run(seed=1, precision="float32")]).stacked[0].detach()[0]
    assert torch.equal(single, first.float())


def uneven(options: dict, index: int) -> dict:
    """Vary the budget and the grid of evaluations as well."""
    num_updates, every = [(12, 5), (7, 7), (15, 4), (3, 1)][index % 4]
    return {**different(options, index), "num_updates": num_updates, "every": every}


def assert_same_result(ours, theirs) -> None:
    assert (ours.state, ours.diverged_at, ours.summary) == (theirs.state, theirs.diverged_at, theirs.summary)
    assert equal(ours.parameters, theirs.parameters)
    assert ours.curves.keys() == theirs.curves.keys()
    for name, curve in theirs.curves.items():
        np.testing.assert_array_equal(ours.curves[name], curve)


# One pack for each way to compute updates, as far as bits are promised there.
REFILLED = {
    **{(kind, "batched"): options for kind, options in KINDS.items()},
    **{(kind, "native-256"): KINDS[kind] for kind in ("relu", "exact", "independent")},
    **{(kind, "written-out"): KINDS[kind] for kind in ("relu", "exact", "exact tanh", "independent")},
    ("wide_resnet", "per-run"): KINDS["wide_resnet"],
    ("lstm", "per-run"): TEXT,
    ("augmented", "batched"): {"data": IMAGES, "batch_size": 3},
    ("augmented", "native-256"): {"data": IMAGES, "batch_size": 3, "strength": 0.1},
    ("n-step", "native-256"): {"inner_steps": 3, "remainder": "carry"},
}


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "backend"), REFILLED)
def test_a_run_that_fills_a_slot_half_way_has_the_bits_of_one_trained_alone(
    make_run, train, kind, backend, precision
) -> None:
    """Seven runs of four budgets go through three slots; the first of them diverges, where one can."""
    options = {**REFILLED[kind, backend], "precision": precision}
    runs = [make_run(**uneven(options, index)) for index in range(4 if "resnet" in kind else 7)]
    runs[0] = make_run(**uneven(options, 0) | {"lr": {"float32": 1e30, "float64": 1e300}[precision]})
    how = {"backend": backend, "statistics": "evaluations", "width": 3}
    together = train(runs[:3], waiting=runs[3:], **how).runs
    if kind in ("relu", "exact"):
        assert together[0].state == "diverged"
    for ours, run in zip(together, runs, strict=True):
        (theirs,) = train([run], **how).runs
        assert_same_result(ours, theirs)


@pytest.mark.parametrize("backend", ["batched", "native-256", "written-out"])
@pytest.mark.parametrize("kind", ["relu", "exact", "independent"])
def test_a_run_resumed_in_another_slot_beside_others_has_the_same_bits(
    make_run, train, checkpoints, kind, backend
) -> None:
    options = {**KINDS[kind], "precision": "float32"}
    runs = [make_run(**uneven(options, index)) for index in range(4)]
    how = {"backend": backend, "statistics": "end", "width": 4}
    alone = [train([run], **how).runs[0] for run in runs]
    assert train(runs, stop_after=6, checkpoints=checkpoints, **how) is None
    assert [run is not None for run in train.latest.runs] == [False, False, False, True]
    states = load_states(checkpoints.latest)
    assert {key: state["update"] for key, state in states.items()} == {"0": 6, "1": 6, "2": 6}
    fresh = make_run(**uneven(options, 6))
    resumed = train(
        [fresh, runs[2], runs[0]], states={"1": states["2"], "2": states["0"]}, waiting=[runs[1]], **how
    )
    expected = [train([fresh], **how).runs[0], alone[2], alone[0], alone[1]]
    for ours, theirs in zip(resumed.runs, expected, strict=True):
        assert_same_result(ours, theirs)
    assert [run.num_updates for run in resumed.runs] == [15, 9, 6, 7]


def test_members_of_one_chunk_are_evaluated_on_grids_of_their_own(make_run, train) -> None:
    runs = [
        make_run(seed=seed, num_updates=num_updates, every=every)
        for seed, (num_updates, every) in enumerate([(50, 20), (45, 15), (7, 7), (100, 33)])
    ]
    trained = train(runs).runs
    grids = [run.curves["updates"].tolist() for run in trained]
    assert grids == [[20, 40, 50], [15, 30, 45], [7], [33, 66, 99, 100]]


def test_a_population_takes_no_more_members_than_it_has_slots(make_run, make_population) -> None:
    population = make_population([make_run(), make_run()], is_live=[True, False])
    assert population.num_empty == 1
    with pytest.raises(ValueError, match="2 members for 1 empty slots"):
        population.fill([Member("a", make_run()), Member("b", make_run())])


class TestDivergence:
    """Runs 1 and 3 diverge within 60 updates, at different ones."""

    def runs(self, make_run, **options):
        rates = [2**-4, 1e300, 2**-5, 1e30, 2**-3]
        if options.get("precision") == "float32":
            rates = [2**-4, 1e30, 2**-5, 1e6, 2**-3]
        return [
            make_run(seed=seed, lr=lr, num_updates=60, every=2, **options) for seed, lr in enumerate(rates)
        ]

    def first_bad_update(self, run, make_population) -> int:
        """The first update at whose minibatch a pack of one has a loss that isn't finite."""
        population = make_population([run])
        losses: list[float] = []
        backend = population.backend

        class Watched:
            def advance(self, *arguments):
                made = backend.advance(*arguments)
                losses.extend(made[:, 0].tolist())
                return made

        population.backend = Watched()
        while not population.members[0].has_ended:
            population._advance()
        return next(update for update, loss in enumerate(losses) if not np.isfinite(loss))

    @pytest.mark.parametrize("precision", ["float32", "float64"])
    def test_it_is_marked_exactly_and_changes_nothing_for_the_others(
        self, make_run, make_population, train, precision
    ) -> None:
        runs = self.runs(make_run, precision=precision)
        trained = train(runs, statistics="end").runs
        assert [run.state for run in trained] == ["done", "diverged", "done", "diverged", "done"]
        for slot in (1, 3):
            alone = runs[slot].model_copy(
                update={"evaluation": runs[slot].evaluation.model_copy(update={"every_num_updates": 60})}
            )
            exact = self.first_bad_update(alone, make_population)
            assert trained[slot].diverged_at == exact
            assert trained[slot].curves["updates"].tolist() == list(range(2, exact, 2))
            assert all(
                np.isfinite(curve).all()
                for name, curve in trained[slot].curves.items()
                if "c_reg" not in name
            )
            assert not any("c_reg" in name for name in trained[slot].summary)
        calm = [
            run.model_copy(update={"optimizer": runs[0].optimizer}) if i in (1, 3) else run
            for i, run in enumerate(runs)
        ]
        reference = train(calm, statistics="end").runs
        for slot in (0, 2, 4):
            assert trained[slot].summary == reference[slot].summary
            assert "c_reg.final" in trained[slot].summary
            assert equal(trained[slot].parameters, reference[slot].parameters)

    def test_a_pack_of_diverged_runs_ends_early(self, make_run, train) -> None:
        runs = [make_run(seed=seed, lr=1e300, num_updates=2000, every=1000) for seed in range(2)]
        trained = train(runs, statistics="end")
        assert all(run.state == "diverged" for run in trained.runs)
        assert trained.num_updates <= 1 + MAX_UPDATES_PER_CHUNK  # the first chunk is one update
        assert all(run.curves["updates"].size == 0 for run in trained.runs)
        assert all(run.summary == {} for run in trained.runs)

    def test_a_whole_training_set_that_diverges_counts_even_where_no_minibatch_does(
        self, make_run, train
    ) -> None:
        # The last update throws the parameters away; only the evaluation after it can see that
        runs = [make_run(lr=1e300, num_updates=1, every=1), make_run(num_updates=1, every=1)]
        thrown, calm = train(runs).runs
        assert (thrown.state, thrown.diverged_at) == ("diverged", 1)
        assert calm.state == "done"

    def test_a_norm_that_overflows_is_no_cost_without_l2(self, make_run, make_population) -> None:
        population = make_population([make_run(num_updates=1), make_run(num_updates=1, l2=1e-9)])
        population._advance()
        with torch.no_grad():
            population.stacked[-1].fill_(1e200)  # the last biases: equal ones change no probability
        population._evaluate()
        plain, decayed = (member.recorder.curves(None) for member in population.members)
        assert plain["train_cost"] == plain["train_loss"]
        assert np.isfinite(decayed["train_loss"])
        assert np.isinf(decayed["train_cost"])

    def test_a_diverged_run_is_handed_out_at_once_and_in_no_checkpoint(
        self, make_run, train, checkpoints
    ) -> None:
        runs = self.runs(make_run)
        assert train(runs, stop_after=40, checkpoints=checkpoints) is None
        assert load_states(checkpoints.latest).keys() == {"0", "2", "4"}
        assert {slot for slot, run in enumerate(train.latest.runs) if run} == {1, 3}


def test_what_is_global_is_neither_read_nor_changed(make_run, make_population) -> None:
    """Two populations interleaved, the global generator disturbed: the same bits as one after the other."""
    runs = [
        [make_run(seed=seed, data=data, num_updates=96, every=96)]
        for seed, data in [(0, None), (1, Mnist1dData(num_train=32, num_test=20, crop_padding=2))]
    ]
    apart = []
    for pack in runs:
        population = make_population(pack)
        while not population.members[0].has_ended:
            population._advance()
        apart.append([p.detach().clone() for p in population.stacked])
    torch.manual_seed(12345)
    before = torch.get_rng_state()
    mixed = [make_population(pack) for pack in runs]
    while unfinished := [population for population in mixed if not population.members[0].has_ended]:
        for population in unfinished:
            population._advance()
    assert torch.equal(torch.get_rng_state(), before)
    for population, expected in zip(mixed, apart, strict=True):
        assert all(torch.equal(p.detach(), e) for p, e in zip(population.stacked, expected, strict=True))
