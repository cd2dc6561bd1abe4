"""Damaged results are named with the way out, which mends them."""

import json


def test_damage_is_named_and_mended(trained):
    before = trained.results()
    of_result, of_curves, of_nothing, *_ = sorted(before)
    result = trained.store.result_path(of_result)
    result.write_bytes(result.read_bytes()[:100])
    (curves,) = trained.store.run_folder(of_curves).glob("curves-*.npz")
    curves.write_bytes(bytes(100))

    run, status = trained.run("tiny"), trained.sgdlab("status", "tiny")
    assert (run.returncode, status.returncode) == (1, 0)
    way_out = "To train this run again: sgdlab retry SWEEP --state damaged"
    for shown in (run.stdout, status.stdout):
        (line,) = [line for line in shown.splitlines() if line.startswith(f"{result} is damaged: ")]
        assert line.endswith(way_out)
    assert f"{curves} is damaged: its checksum isn't the published one. {way_out}\n" in status.stdout
    assert "2 runs failed or damaged: `sgdlab status` says why" in trained.sgdlab("results", "tiny").stdout

    assert trained.sgdlab("retry", "tiny", "--state", "damaged").stdout.startswith("2 damaged runs cleared")
    assert trained.store.has_result(of_nothing)
    finished = trained.run("tiny", "--json")
    assert finished.returncode == 0
    assert json.loads(finished.stdout)["counts"]["done"] == 12
    assert trained.results() == before  # in packs of the same width, so to the bit
