"""Killed with -9 at random, resumed, and equal to the bit; `make kill-test` does the same fifty times."""

import random

import kill_test


def test_killed_sweeps_end_with_the_bits_of_an_undisturbed_one(tmp_path):
    undisturbed = kill_test.Laboratory(tmp_path / "undisturbed", num_updates=20_000)
    undisturbed.finish()
    expected = undisturbed.results()
    assert len(expected) == 28

    killed = kill_test.Laboratory(tmp_path / "killed", num_updates=20_000)
    kill_test.run_with_kills(killed, random.Random(7), num_kills=6)
    assert len(killed.kills) == 6, "the sweep ended too early: make it longer"
    assert kill_test.differences(killed.results(), expected) == []
    assert kill_test.once_quiet(killed) == []


def test_the_comparison_finds_a_single_bit(tmp_path):
    run = {"state": "done", "summary": {"test_accuracy.best": 0.5}, "curves": {"updates": ("<i8", bytes(8))}}
    other = {**run, "curves": {"updates": ("<i8", bytes(7) + b"\1")}}
    assert kill_test.differences({"a": run}, {"a": run}) == []
    assert kill_test.differences({"a": other}, {"a": run}) == ["a: another curves"]
    assert kill_test.differences({"b": run}, {"a": run}) == ["a: missing", "b: not asked for"]
