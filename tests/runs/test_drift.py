import copy

import pytest

from sgdlab.runs.drift import Difference, DriftError, find_drift, refuse_drift


@pytest.fixture
def config(make_result):
    return make_result().config


def _changed(config, **optimizer):
    config = copy.deepcopy(config)
    config["optimizer"].update(optimizer)
    return config


def _without(config, name):
    config = copy.deepcopy(config)
    del config["optimizer"][name]
    return config


def test_equal_configurations_have_no_drift(config):
    assert find_drift(config, copy.deepcopy(config)) == []
    refuse_drift("key", config, config)


def test_a_changed_value_is_drift(config):
    assert find_drift(config, _changed(config, order="fixed")) == [
        Difference("optimizer.order", "'shuffled'", "'fixed'")
    ]


def test_a_list_is_compared_as_a_whole(config):
    other = copy.deepcopy(config)
    other["model"]["hidden_widths"] = [8, 16]
    assert [str(difference) for difference in find_drift(config, other)] == [
        "model.hidden_widths: stored [8, 8], planned [8, 16]"
    ]


@pytest.mark.parametrize("swapped", [False, True])
def test_a_field_that_one_side_lacks_is_no_drift_at_the_default(config, swapped):
    pair = [_without(config, "inner_steps"), config]
    assert find_drift(*(reversed(pair) if swapped else pair)) == []


def test_a_field_that_one_side_lacks_is_drift_at_another_value(config):
    [difference] = find_drift(_without(config, "inner_steps"), _changed(config, inner_steps=4))
    assert difference == Difference("optimizer.inner_steps", "1", "4")


def test_a_field_that_the_schema_no_longer_knows_is_drift(config):
    [difference] = find_drift(_changed(config, dampening=0.9), config)
    assert difference == Difference("optimizer.dampening", "0.9", "nothing")


def test_the_refusal_lists_every_difference_and_names_the_way_out(config):
    planned = _changed(config, order="fixed", lr=0.25)
    with pytest.raises(DriftError) as caught:
        refuse_drift("abc", config, planned)
    assert str(caught.value).splitlines() == [
        "the stored run abc isn't the one that is planned under this key:",
        "  optimizer.lr: stored 0.125, planned 0.25",
        "  optimizer.order: stored 'shuffled', planned 'fixed'",
        "A default has changed since it was trained. `sgdlab migrate` gives stored runs the key that states "
        "the old value; then plan again",
    ]
