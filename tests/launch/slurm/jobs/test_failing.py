"""Runs that fail, and jobs that can't train anything."""

import shutil
import subprocess
from collections import Counter
from contextlib import suppress

import pytest


def test_uneven_runs_share_two_gpus_and_one_too_large_fails_alone(desk, finish, wait_until):
    large = {"model.hidden_widths": [60_000, 60_000]}  # 14 GB
    desk.terminal.write_sweep(
        "uneven",
        {
            "uneven": {"label": "uneven", "axes": {"budget.num_updates": [64, 5_000]}},
            "large": {"label": "large", "fixed": large, "axes": {"optimizer.lr": [1]}},
        },
    )
    settings = {"num_workers": 2, "gpus_per_job": 2, "pack_size": 3}
    setup = ["ulimit -v 4000000", "echo GPUs $CUDA_VISIBLE_DEVICES"]
    desk.submit("uneven", finish, setup, **{f"launcher__{name}": value for name, value in settings.items()})
    wait_until(lambda: desk.jobs() == [])
    assert "GPUs 0,1" in desk.log()
    assert sorted(num_updates for _, _, num_updates, *_ in desk.bits().values()) == [64] * 3 + [5_000] * 3
    store = desk.terminal.store
    failures = [store.read_failure(path.parent.name) for path in store.runs.glob("*/*/failed.json")]
    assert len(failures) == 3
    num_claims = Counter(desk.terminal.events("claimed"))
    for failure in failures:
        assert "can't allocate memory: you tried to allocate" in failure.error
        assert num_claims[failure.key] > 1  # in a pack of three, in one of two, alone


def test_a_killing_run_fails_alone_and_preemptions_are_no_deaths(desk, finish, wait_until, poison):
    desk.terminal.environment["PYTHONPATH"] = poison({2: "os.kill(os.getpid(), 9)"})
    submission = desk.submit("seeds", finish)
    wait_until(lambda: desk.jobs() == [])
    assert submission.job(0).ended().reason == "finished"
    assert len(desk.bits()) == 2
    (path,) = desk.terminal.store.runs.glob("*/*/failed.json")
    failure = desk.terminal.store.read_failure(path.parent.name)
    assert failure.error == "the worker died 3 times without a word while training this run"


def test_broken_environments_say_so_and_no_run_suffers(desk, make_desk, finish, wait_until, tmp_path):
    for name in ("torch", "numpy"):
        (tmp_path / f"no-{name}").mkdir()
        (tmp_path / f"no-{name}" / f"{name}.py").write_text(f'raise ImportError("this {name} is poison")\n')
    desks = {name: make_desk(name) for name in ("torch", "numpy", "GPU")}
    for name in ("torch", "numpy"):
        setup = [f"export PYTHONPATH={tmp_path}/no-{name}"]
        desks[name].submit("tiny", finish, setup)
    desks["GPU"].submit("tiny", finish, launcher__gpus_per_job=1, launcher__device="auto")
    wait_until(lambda: not any(desk.jobs() for desk in desks.values()))

    for name, desk in desks.items():
        (submission,) = desk.submissions()
        assert desk.cluster.state(submission.job_id()) == "FAILED"
        assert list(desk.terminal.store.runs.glob("*/*")) == []
        if name == "numpy":  # even sgdlab can't be imported: nobody is there to say anything
            assert submission.job(0).ended() is None
            assert "ImportError: this numpy is poison" in desk.terminal.sgdlab("status", "tiny").stdout
        else:
            ended = submission.job(0).ended()
            assert ended.reason == "broken"
            words = {"torch": "ImportError: this torch is poison", "GPU": "sees no GPU, and this worker was"}
            assert words[name] in ended.text
            assert words[name] in desk.log()


@pytest.fixture
def small_disk(desk):
    """A disk of 8 MB for the store."""
    folder = desk.terminal.store.root
    folder.mkdir(parents=True)
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if mount is None or subprocess.run([mount, *options], capture_output=True, check=False).returncode:
        pytest.skip("a file system can't be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_job_on_a_full_disk_still_says_why_it_ends(desk, small_disk, finish, wait_until):
    submission = desk.submit("long", finish)
    wait_until(lambda: desk.num_safe_updates() > 0)
    with suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))
    wait_until(lambda: desk.jobs() == [])
    assert desk.cluster.state(submission.job_id()) == "FAILED"
    assert submission.job(0).ended().reason == "broken"
    assert "No space left on device. Free some space" in submission.job(0).ended().text
    assert list(desk.terminal.store.runs.glob("*/*/failed.json")) == []

    (small_disk / "ballast").unlink()
    desk.submit("long", finish)
    wait_until(lambda: len(desk.bits()) == 3)
