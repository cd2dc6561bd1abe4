"""What attempts tell people: written by the heartbeat, read by whoever looks, believed by nobody."""

import time

import pytest

from sgdlab.runs.attempts import Attempt
from sgdlab.runs.news import News, NewsDesk
from sgdlab.runs.observer import Observer

KEY = "ab" * 16


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_pace_is_that_of_the_last_minute():
    clock = Clock()
    desk = NewsDesk("cpu", clock)
    assert desk.news().updates_per_s is None
    paces = []
    for second in range(1, 201):
        clock.now = float(second)
        desk.hear({KEY: second}, num_made=10 if second <= 100 else 40)
        paces.append(desk.news().updates_per_s)
    assert paces[0] == paces[59] == paces[99] == 10.0
    assert paces[129] == 25.0  # half of the last minute at 10, half at 40
    assert paces[160] == paces[-1] == 40.0


def test_a_worker_that_gets_nowhere_slows_down_to_nothing():
    clock = Clock()
    desk = NewsDesk("cpu", clock)
    desk.hear({KEY: 5}, num_made=60)
    paces = []
    for clock.now in (30.0, 60.0, 90.0, 120.0):
        paces.append(desk.news().updates_per_s)
    assert paces == [2.0, 1.0, 0.0, 0.0]


def test_the_heartbeat_writes_it(store, wait_until):
    with Attempt.start(store, "session", heartbeat_every_s=0.01) as attempt:
        path = store.attempt(attempt.id).news_path
        time.sleep(0.05)
        assert not path.exists()
        attempt.train_on("cpu")
        attempt.tell({KEY: 7}, num_made=7)
        wait_until(lambda: (news := News.read(path)) and news.updates_of)
        news = News.read(path)
        assert (news.device, news.gpu, news.job, news.updates_of) == ("cpu", None, None, {KEY: 7})
        assert news.updates_per_s > 0


def test_whether_an_attempt_lives_does_not_hang_on_it(store, leave_claim):
    """News that change make no silent attempt alive, and no news make no living one silent."""
    clock = Clock()
    observer = Observer(store, lease_timeout_s=30, clock=clock)
    holder = leave_claim(KEY)
    path = store.attempt(holder.attempt).news_path
    assert observer.judge(holder.attempt, holder) == "alive"
    for clock.now in (20.0, 40.0):
        path.write_bytes(News("cpu", None, None, {KEY: int(clock.now)}, 1.0).to_json())
        judgement = observer.judge(holder.attempt, holder)
    assert judgement == "silent"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"device": "cpu", "gpu": null, "job": null, "updates_of": [], "updates_per_s": 1}',
        b'{"device": "cpu", "gpu": null, "job": null, "updates_of": {"a": "x"}, "updates_per_s": 1}',
        b'{"device": "cpu", "gpu": null, "job": null, "updates_of": {}, "updates_per_s": "fast"}',
        b'{"device": 5, "gpu": null, "job": null, "updates_of": {}, "updates_per_s": 1}',
        b'{"device": "cpu", "gpu": null, "job": null, "updates_of": {}, "updates_per_s": 1, "mood": "good"}',
    ],
)
def test_what_is_no_news_is_none(tmp_path, content):
    path = tmp_path / "news.json"
    path.write_bytes(content)
    assert News.read(path) is None
    assert News.read(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("device", "visible", "gpu"),
    [
        ("cpu", "2,3", None),
        ("cuda:1", None, "1"),
        ("cuda", None, "0"),
        ("cuda:1", "2, 3", "3"),
        ("cuda:0", "GPU-8f1", "GPU-8f1"),
        ("cuda:4", "2,3", None),
    ],
)
def test_a_gpu_is_called_what_its_machine_calls_it(monkeypatch, device, visible, gpu):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert NewsDesk(device).news().gpu == gpu


@pytest.mark.parametrize(
    ("environment", "job"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "17"}, "17"),
        ({"SLURM_JOB_ID": "19", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "0"}, "17_0"),
    ],
)
def test_a_job_is_called_what_slurm_calls_it(monkeypatch, environment, job):
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert NewsDesk("cpu").news().job == job
