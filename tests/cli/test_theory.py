"""Checks of the papers' equations from the command line."""

import json

import pytest

from sgdlab.theory.catalogue import CHECKS


def test_the_list_names_every_check_and_runs_none(terminal):
    finished = terminal.sgdlab("theory", "--list", COLUMNS="120")
    assert finished.returncode == 0
    assert [line.split()[0] for line in finished.stdout.splitlines()] == ["check", *CHECKS]
    (first, *_) = json.loads(terminal.sgdlab("theory", "--list", "--json").stdout)
    assert first["check"] == "smith2021/eq9-11"
    assert first["equations"] == "eq. 9–11"
    assert not (terminal.folder / "outputs").exists()


def test_a_check_prints_its_findings_and_draws_its_figure(terminal, words):
    finished = terminal.sgdlab("theory", "smith2021/eq22")
    assert finished.returncode == 0
    assert finished.stderr == ""
    shown = words(finished.stdout)
    assert shown.startswith("smith2021/eq22: C_reg over shuffles")
    assert "verdict measured [95 %] expected the equation says" in shown
    assert shown.count("SUPPORTED") == 5
    assert "exact below 1e-13" in shown
    for suffix in ("png", "pdf", "svg"):
        path = terminal.folder / f"outputs/figures/theory/smith2021-eq22.{suffix}"
        assert str(path.relative_to(terminal.folder)) in finished.stdout
        assert path.stat().st_size > 1000
    drawn = (terminal.folder / "outputs/figures/theory/smith2021-eq22.svg").read_text()
    for text in ("batch size B", "C_reg", "measured / expected", "mean over shuffles"):
        assert f"<!-- {text} -->" in drawn


def test_json_holds_numbers_expectations_and_verdicts(terminal):
    finished = terminal.sgdlab("theory", "smith2021/eq22", "--json", "--folder", "drawn")
    (record,) = json.loads(finished.stdout)
    assert record["check"] == "smith2021/eq22"
    exact, *shuffled = record["findings"]
    assert exact["interval"] == [exact["value"]] * 2
    assert exact["expect"] == {"below": 1e-13}
    for finding in shuffled:
        low, high = finding["interval"]
        assert low < finding["value"] < high
        assert finding["verdict"] == "supported"
    assert record["figures"][0] == "drawn/smith2021-eq22.png"
    assert (terminal.folder / "drawn/smith2021-eq22.png").exists()


@pytest.mark.parametrize("listed", [(), ("--list",)])
def test_an_unknown_check_is_one_message_and_exit_code_2(terminal, listed):
    finished = terminal.sgdlab("theory", "smith2021/eq21", *listed)
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr == (
        "sgdlab: there is no check 'smith2021/eq21'; did you mean smith2021/eq22? "
        "`sgdlab theory --list` shows all of them\n"
    )
