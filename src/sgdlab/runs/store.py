"""The store: publishing results, reading them, and clearing away what failed or is damaged."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from dataclasses import replace as with_changes
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sgdlab.errors import UserError
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.cleaning import remove_all_but
from sgdlab.runs.files import StoreError, link, naming, remove_folder, replace, sync, temporary, write_synced
from sgdlab.runs.indexed import IndexedRun
from sgdlab.runs.journal import Event
from sgdlab.runs.layout import Layout, Stamp, file_stamp
from sgdlab.runs.result import DamagedRunError, NoResultError, RunResult
from sgdlab.runs.stored_identity import current_key, raised_revisions

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Failure:
    """Why a run has no result."""

    key: str
    attempt: str
    error: str  # its last line
    log: Path
    at: str  # ISO 8601, for people


class Store(Layout):
    """A folder of runs. Making one touches nothing, so a store that can't be written can still be read."""

    def open_for_writing(self) -> None:
        """Make the store's folders and try what writing needs.

        Raises
        ------
        StoreError
            If a file can't be made there, or the file system has no hard links.
        """
        with naming(self.root):
            for folder in (self.runs, self.attempts, self.journals, self.trash):
                folder.mkdir(parents=True, exist_ok=True)
            with temporary(self.trash / "probe") as probe, temporary(self.trash / "probe") as second:
                write_synced(probe, b"probe")
                try:
                    link(probe, second)
                except OSError as error:
                    if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
                        raise
                    raise StoreError(
                        f"{self.root}: this file system has no hard links, by which workers agree on who "
                        "trains what; name a folder on another one with folders.store=…"
                    ) from error

    def read_result(self, key: str) -> RunResult:
        """Read the result of a published run.

        Raises
        ------
        DamagedRunError
            If the file isn't a whole result of this run.
        NoResultError
            If the run isn't published.
        """
        path = self.result_path(key)
        with naming(self.root):
            try:
                result = RunResult.from_json(path.read_bytes())
            except FileNotFoundError as error:
                raise NoResultError(f"{self.root} has no result of the run {key}") from error
            except ValueError as error:
                raise DamagedRunError(path, str(error)) from error
        if result.key != key and current_key(result.config, result.revisions) != key:
            # a migration that is killed between its two steps leaves the old key in the new folder: no damage
            raise DamagedRunError(path, f"it is the result of another run, {result.key}")
        return with_changes(result, key=key)

    def read_curves(self, key: str) -> dict[str, np.ndarray]:
        """Read the curves of a published run: "updates", "test_accuracy", … each of shape (E,).

        Raises
        ------
        DamagedRunError
            If the file isn't the one that was published.
        """
        import numpy as np

        with np.load(io.BytesIO(self._read_curves_of(self.read_result(key))), allow_pickle=False) as arrays:
            return dict(arrays)

    def verify(self, key: str) -> tuple[RunResult, Stamp]:
        """Check that the files of a published run are those that were published; raises as `read_curves`.

        Returns the result, and the stamp that the files had before they were read: a later change shows.
        """
        of_result = file_stamp(self.result_path(key))
        result = self.read_result(key)
        of_curves = file_stamp(self.run_folder(key) / result.curves_file)
        self._read_curves_of(result)
        return result, of_result + of_curves

    def _read_curves_of(self, result: RunResult) -> bytes:
        path = self.run_folder(result.key) / result.curves_file
        with naming(self.root):
            try:
                data = path.read_bytes()
            except (FileNotFoundError, IsADirectoryError) as error:
                raise DamagedRunError(path, "the file is missing") from error
        if hashlib.sha256(data).hexdigest() != result.curves_sha256:
            raise DamagedRunError(path, "its checksum isn't the published one")
        return data

    def weights_path(self, key: str) -> Path | None:
        """Return the file of the run's final weights, or None if they weren't kept."""
        name = self.read_result(key).weights_file
        return self.run_folder(key) / name if name else None

    def read_failure(self, key: str) -> Failure | None:
        """Read why a run failed, or None if it didn't."""
        path = self.failure_path(key)
        try:
            content = json.loads(path.read_bytes())
            if not all(isinstance(value, str) for value in content.values()):
                raise ValueError
            return Failure(**{**content, "log": Path(content["log"])})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DamagedRunError(path, "it doesn't say why the run failed") from error

    def publish(
        self,
        attempt: Attempt,
        result: RunResult,
        curves: Mapping[str, np.ndarray],
        weights: Path | None = None,
    ) -> bool:
        """Publish a result with its curves, and a file of weights, which is moved into the run's folder.

        The first to publish wins, whoever holds the newest claim: equal identities have equal results.
        Returns whether this was the first; if not, nothing has changed.

        Raises
        ------
        StoreError
            If the store can't be written; then nothing has changed either.
        """
        if self.has_result(result.key):
            return False
        folder = self.run_folder(result.key)
        data = _compressed(curves)
        result = with_changes(
            result,
            revisions=raised_revisions(result.config),
            curves_file=f"curves-{attempt.id}.npz",
            curves_sha256=hashlib.sha256(data).hexdigest(),
            weights_file=f"weights-{attempt.id}.pt" if weights else None,
        )
        own = {result.curves_file, result.weights_file}
        won = False
        with naming(self.root):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                replace(folder / result.curves_file, data)
                of_curves = file_stamp(folder / result.curves_file)
                if weights is not None and result.weights_file is not None:
                    shutil.move(weights, folder / result.weights_file)
                    sync(folder / result.weights_file)
                with temporary(self.result_path(result.key)) as name:
                    write_synced(name, result.to_json())
                    stamp = file_stamp(name) + of_curves
                    won = link(name, self.result_path(result.key))
                sync(folder)
            except FileNotFoundError:
                if not self.has_result(result.key):  # else its publisher has cleared our files away
                    raise
            finally:
                if not won:
                    for file in filter(None, own):
                        (folder / file).unlink(missing_ok=True)
            if not won:
                return False
            seen = IndexedRun.of(RunResult.from_json(result.to_json()))  # as a reader of the file sees it
            detail = {**seen.to_detail(), "stamp": stamp, "curves_file": result.curves_file}
            attempt.journal.append(Event("published", result.key, attempt.id, detail=detail))
            remove_all_but(self, result.key, own)
        return True

    def record_failure(self, attempt: Attempt, key: str, error: str, log: Path) -> None:
        """Store why a run can't be trained; until it is discarded nobody claims it again."""
        if self.has_result(key):
            return
        lines = error.strip().splitlines() or ["unknown error"]
        failure = Failure(key, attempt.id, lines[-1], log, datetime.now(UTC).isoformat(timespec="seconds"))
        content = {**asdict(failure), "log": str(log)}
        with naming(self.root):
            self.run_folder(key).mkdir(parents=True, exist_ok=True)
            replace(self.failure_path(key), json.dumps(content, ensure_ascii=False, indent=1).encode())
        detail = {"error": failure.error, "log": str(log)}
        attempt.journal.append(Event("failed", key, attempt.id, detail=detail))

    def discard(self, key: str) -> None:
        """Clear a failed or damaged run, so that it can be claimed again; from its checkpoint if it has one.

        Raises
        ------
        UserError
            If the run is published and nothing is wrong with it.
        """
        if self.has_result(key):
            with suppress(DamagedRunError):
                self.verify(key)
                raise UserError(f"the run {key} has a sound result; it is not thrown away")
            with naming(self.root):
                remove_folder(self.run_folder(key), self.trash)
        else:
            with naming(self.root):
                self.failure_path(key).unlink(missing_ok=True)


def _compressed(curves: Mapping[str, np.ndarray]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in curves.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, np.asanyarray(values), allow_pickle=False)
    return buffer.getvalue()
