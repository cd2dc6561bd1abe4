"""Offline runs go to the server: by W&B's own `wandb sync`, many at a time, each once.

W&B leaves a file ``*.wandb.synced`` beside the log of a run that it has uploaded: that is the mark. It leaves
it, too, where the upload has failed, and only says so; such a mark is taken away again. What W&B says lies in
a file, so that a process killed before it has read it leaves that to the next one.

Runs are handed over in batches. W&B gives up a whole batch where it can't open one log, so what remains of
such a batch is halved until the bad run is alone. A run uploaded twice is one run: its id is the same.
"""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sgdlab.config.execution import WandbTracker
from sgdlab.errors import UserError
from sgdlab.tracking.server_process import ask_server, online_environment
from sgdlab.tracking.staging import staging_folder

_BATCH = 200  # runs that one process of W&B uploads: it takes a second to start
_HOPELESS = 20  # as many failures of one kind, and nothing else, are not the runs' fault
_LOOK_EVERY_S = 0.2
_STALLED_S = 30.0
_GIVEN_UP_S = 600.0
_ENDS_WITHIN_S = 5.0
_PROCESS = "sgdlab.tracking.upload_process"
_ERROR = re.compile(r"^wandb: ERROR\s+(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class OfflineRun:
    """A run that was written offline, and whether it is on the server."""

    id: str
    folder: Path

    @property
    def is_uploaded(self) -> bool:
        """Whether W&B has marked it."""
        return _mark_of(self.folder).exists()


@dataclass(frozen=True)
class Destination:
    """Where runs go; None where that was said when they were written."""

    project: str | None = None
    entity: str | None = None


@dataclass
class Progress:
    """How far an upload has come."""

    num_runs: int
    num_uploaded: int = 0
    failed: dict[str, str] = field(default_factory=dict)  # id of the run → what W&B says
    elapsed_s: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        """Time left at the mean pace; None until a run is uploaded."""
        settled = self.num_uploaded + len(self.failed)
        return self.elapsed_s / settled * (self.num_runs - settled) if self.num_uploaded else None


OnProgress = Callable[[Progress], None]


def offline_runs(tracker: WandbTracker) -> list[OfflineRun]:
    """Return all runs that were written offline, oldest first."""
    folders = sorted((tracker.folder / "wandb").glob("offline-run-*-*"))
    return [OfflineRun(folder.name.split("-", 3)[3], folder) for folder in folders]


def upload(
    runs: Sequence[OfflineRun],
    tracker: WandbTracker,
    destination: Destination,
    num_at_once: int,
    on_progress: OnProgress,
) -> Progress:
    """Upload those of the runs that aren't marked, and return what became of them.

    Raises
    ------
    UserError
        If another process uploads from this folder, nobody is logged in, the server is out of reach, or it
        refuses all that it is given. What was uploaded until then is marked.
    """
    with _alone(tracker) as lock:
        said = staging_folder(tracker) / "upload.log"
        _take_marks_of_failures(runs, said)
        waiting = [run for run in runs if not run.is_uploaded]
        progress = Progress(len(waiting))
        if waiting:
            ask_server()
        started = time.monotonic()
        batches = deque(waiting[start : start + _BATCH] for start in range(0, len(waiting), _BATCH))
        while batches:
            batch = batches.popleft()
            uploaded_before, given_up = progress.num_uploaded, False
            with _uploader(batch, tracker, destination, num_at_once, said, lock) as process:
                for num_marked in _follow(process, batch):
                    progress.num_uploaded = uploaded_before + num_marked
                    progress.elapsed_s = time.monotonic() - started
                    on_progress(progress)
                given_up = process.poll() is None
            failed = _take_marks_of_failures(batch, said)
            unmarked = [run for run in batch if not run.is_uploaded]
            progress.num_uploaded = uploaded_before + len(batch) - len(unmarked)
            errors = _errors(said)
            if len(unmarked) > 1 and len(errors) < len(unmarked) and not given_up:  # one stopped the others
                batches.extend([unmarked[: len(unmarked) // 2], unmarked[len(unmarked) // 2 :]])
                continue
            progress.failed |= {run.id: failed.get(run.id) or _why(run, errors, said) for run in unmarked}
            on_progress(progress)
            _refuse_the_hopeless(progress)
        said.unlink(missing_ok=True)
    return progress


@contextmanager
def _alone(tracker: WandbTracker) -> Iterator[int]:
    """Hold a lock on the folder's uploads; W&B's process inherits it, should it outlive this one."""
    with (staging_folder(tracker) / "upload.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"another `sgdlab sync` uploads what lies in {tracker.folder / 'wandb'}; nothing was done"
            ) from error
        yield file.fileno()


@contextmanager
def _uploader(
    batch: Sequence[OfflineRun],
    tracker: WandbTracker,
    destination: Destination,
    num_at_once: int,
    said: Path,
    lock: int,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start `wandb sync`, and end it with the block."""
    command = [sys.executable, "-m", _PROCESS, "sync", "-n", str(num_at_once)]
    for option, value in (("--project", destination.project), ("--entity", destination.entity)):
        command += [option, value] if value is not None else []
    environment = online_environment() | {"WANDB_DIR": str(tracker.folder.absolute()), "NO_COLOR": "1"}
    with said.open("wb") as file:
        process = subprocess.Popen(
            [*command, *(str(_log_of(run.folder).absolute()) for run in batch)],
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=(lock,),
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _follow(process: subprocess.Popen[bytes], batch: Sequence[OfflineRun]) -> Iterator[int]:
    """Yield how many runs are marked until the process ends, or nothing has moved for long.

    W&B itself tries again for days. So the server is asked for first; raises as `ask_server` does.
    """
    moved = asked = time.monotonic()
    num_marked = 0
    while process.poll() is None:
        before, num_marked = num_marked, sum(run.is_uploaded for run in batch)
        if num_marked != before:
            moved = asked = time.monotonic()
        yield num_marked
        if time.monotonic() - moved > _GIVEN_UP_S:
            return
        if time.monotonic() - asked > _STALLED_S:
            ask_server()
            asked = time.monotonic()
        time.sleep(_LOOK_EVERY_S)


def _take_marks_of_failures(runs: Sequence[OfflineRun], said: Path) -> dict[str, str]:
    """Take W&B's mark from the runs of which it says that they failed; return what it says of each."""
    failed: dict[str, str] = {}
    for error in _errors(said):
        label, bracket, message = error.removeprefix("[").partition("] ")
        if bracket and error.startswith("["):  # [entity/project/id] what went wrong
            failed[label.rpartition("/")[2]] = message
    for run in runs:
        if run.id in failed:
            _mark_of(run.folder).unlink(missing_ok=True)
    return failed


def _errors(said: Path) -> list[str]:
    try:
        return [error.strip() for error in _ERROR.findall(said.read_text(errors="replace"))]
    except FileNotFoundError:
        return []


def _why(run: OfflineRun, errors: Sequence[str], said: Path) -> str:
    """Say what W&B says of a run that it didn't upload; of several what it says of all of them."""
    if not any(run.folder.glob("*.wandb")):
        return "its log is gone; delete its folder, and `sgdlab run` writes it again"
    general = [error for error in errors if not error.startswith("[")]
    of_it = [error for error in general if run.id in error]
    if messages := of_it or general:
        return "; ".join(dict.fromkeys(messages))
    last = said.read_text(errors="replace").strip().rpartition("\n")[2]
    return f"W&B got no further and gave no reason; its last line: {last}"


def _refuse_the_hopeless(progress: Progress) -> None:
    """Stop where the server refuses everything in the same words."""
    reasons = set(progress.failed.values())
    if progress.num_uploaded == 0 and len(progress.failed) >= _HOPELESS and len(reasons) == 1:
        raise UserError(
            f"the Weights & Biases server has refused the first {len(progress.failed)} runs: {reasons.pop()}"
        )


def _log_of(folder: Path) -> Path:
    """The log that W&B has written, also where it is gone."""
    return next(folder.glob("*.wandb"), folder / f"run-{folder.name.split('-', 3)[3]}.wandb")


def _mark_of(folder: Path) -> Path:
    log = _log_of(folder)
    return log.with_name(f"{log.name}.synced")
