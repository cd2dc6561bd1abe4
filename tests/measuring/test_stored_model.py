"""Which models of a store can be measured, and what is said of the others."""

import pytest

from sgdlab.config.datasets import ImageNetData, PtbData
from sgdlab.config.execution import Execution
from sgdlab.config.models import LstmModel
from sgdlab.config.schema import Run
from sgdlab.errors import UsageError, UserError
from sgdlab.measuring.stored_model import load_model, load_pipeline


def test_a_run_whose_weights_were_not_kept_is_refused_with_the_way_to_keep_them(trained):
    key = next(iter(trained.results()))
    with pytest.raises(UserError, match=f"the weights of run {key} weren't kept: with launcher.keep=final"):
        load_model(trained.store, key[:8])


def test_a_name_that_is_no_runs_or_several_is_refused(trained):
    with pytest.raises(UsageError, match="'abc': name a run by 4 characters of its key or more"):
        load_model(trained.store, "abc")
    with pytest.raises(UsageError, match="has no run whose key begins with 'xyzw'"):
        load_model(trained.store, "xyzw")
    key = next(iter(trained.results()))
    (trained.store.runs / key[:2] / (key[:-1] + "x")).mkdir()
    with pytest.raises(UsageError, match=f"'{key[:6]}' begins the keys of 2 runs"):
        load_model(trained.store, key[:6])


def test_a_run_that_was_only_claimed_has_no_model_yet(trained):
    (trained.store.runs / "zz" / ("z" * 32)).mkdir(parents=True)
    with pytest.raises(UserError, match="has neither ended nor left a checkpoint yet"):
        load_model(trained.store, "zzzz")


def test_a_network_that_reads_one_example_after_the_other_is_refused():
    model = LstmModel(hidden_width=2, init_scale=0.1)
    run = Run.model_construct(data=PtbData(), model=model)
    with pytest.raises(UserError, match="what model=lstm makes of an example depends on those before it"):
        load_pipeline(run, Execution.model_construct())


def test_data_that_are_not_held_in_memory_are_refused_before_they_are_looked_for():
    run = Run.model_construct(data=ImageNetData())
    with pytest.raises(UserError, match="the examples of data=imagenet are not held in memory"):
        load_pipeline(run, Execution.model_construct())
