"""What goes wrong, in real processes: a run's fault stays its own, everything else is one message."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SEEDS = {"rate": {"label": "rate", "axes": {"optimizer.lr": ["2**-4"]}}}


def test_a_failing_run_and_a_killing_one_fail_alone_and_are_retried(terminal, poison):
    path = poison({1: 'raise ArithmeticError("seed 1 is poison")', 2: "ctypes.string_at(0)"})
    terminal.write_sweep("seeds", SEEDS)

    finished = terminal.run("seeds", PYTHONPATH=path)
    assert finished.returncode == 1
    assert "1/3 runs done · 0 running · 2 failed" in finished.stderr.splitlines()[-2]
    (done,) = terminal.results()
    assert terminal.store.read_result(done).config["seed"] == 0
    shown = json.loads(terminal.sgdlab("status", "seeds", "--json").stdout)
    errors = {failure["error"]: failure["log"] for failure in shown["failures"]}
    raised = "ArithmeticError: seed 1 is poison"
    killed = "the worker died 3 times without a word while training this run"
    assert set(errors) == {raised, killed}
    for error, log in errors.items():
        assert f"failed: {error}\n             log: {log}\n" in finished.stdout
    assert "ArithmeticError: seed 1 is poison" in Path(errors[raised]).read_text()
    assert "Fatal Python error: Segmentation fault" in Path(errors[killed]).read_text()
    assert "To train failed runs again: sgdlab retry SWEEP, then sgdlab run SWEEP" in finished.stdout

    again = terminal.run("seeds", PYTHONPATH=path)
    assert (again.returncode, again.stderr) == (1, "")  # failed runs aren't tried again unasked
    assert terminal.sgdlab("retry", "seeds").stdout.startswith("2 failed runs cleared")
    assert json.loads(terminal.sgdlab("plan", "seeds", "--json").stdout)["num_to_train"] == 2


def test_a_worker_that_cannot_start_says_why(terminal, tmp_path):
    (tmp_path / "torch.py").write_text('raise ImportError("this torch is poison")\n')
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    finished = terminal.start("run", "tiny", "tracker=none", "launcher.num_workers=2", PYTHONPATH=path)
    out, err = finished.communicate()
    assert (finished.returncode, out) == (1, "")
    assert "sgdlab: workers can't start; the last words of one:\n" in err
    *_, place, code, error = map(str.strip, err.splitlines())
    assert "torch.py" in place
    assert (code, error) == ('raise ImportError("this torch is poison")', "ImportError: this torch is poison")
    assert "Traceback" not in err


def test_missing_data_is_one_message_and_nothing_is_begun(terminal):
    terminal.write_sweep("mnist", SEEDS, data="mnist")
    nobody_listens = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    finished = terminal.run("mnist", **nobody_listens)
    assert finished.returncode == 1
    assert finished.stdout == ""
    message = finished.stderr[finished.stderr.index("sgdlab: ") :]
    assert message.startswith("sgdlab: MNIST is not complete: train-images-idx3-ubyte, ")
    assert "Put the files (raw, .gz or .xz) into data/mnist, or name the data folder" in message
    assert list(terminal.store.runs.iterdir()) == []
    assert list(terminal.store.attempts.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 300 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if mount is None or subprocess.run([mount, *options], capture_output=True, check=False).returncode:
        pytest.skip("a file system can't be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_one_message_and_room_makes_it_go_on(terminal, small_disk, words):
    store = f"folders.store={small_disk}/store"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(180_000))
    finished = terminal.run("tiny", store)
    assert finished.returncode == 1
    message = finished.stderr[finished.stderr.index("sgdlab: ") :]
    assert "No space left on device. Free some space, or name another folder with folders.store=" in message
    assert len(message.splitlines()) == 1
    assert not any(small_disk.glob("store/runs/*/*/failed.json"))

    ballast.unlink()
    finished = terminal.run("tiny", store, "--json")
    assert finished.returncode == 0
    assert json.loads(finished.stdout)["counts"]["done"] == 12
