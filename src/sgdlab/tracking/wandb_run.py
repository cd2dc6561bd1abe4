"""One W&B run while it is written: what W&B is told, and what it accepts.

W&B refuses tags of more than 64 characters and names of more than 128. So control characters become spaces,
and what is too long ends in a digest of the whole: different names stay different, and the same name is
always the same.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sgdlab.config.execution import WandbTracker
from sgdlab.errors import UserError

if TYPE_CHECKING:
    import wandb

_LONGEST_TAG = 64  # wandb.Settings refuses longer ones
_LONGEST_NAME = 128  # of a run, a group, a job type
_DIGITS = 8
_SERVICE = "WANDB_SERVICE"  # 3-PID-unix-SOCKET, where PID is who started it


@dataclass(frozen=True)
class RunIdentity:
    """What W&B knows a run by."""

    id: str
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]


@contextmanager
def open_run(
    identity: RunIdentity, config: Mapping[str, Any], tracker: WandbTracker, workplace: Path
) -> Iterator[wandb.Run]:
    """Begin a run below a folder, and finish it as complete; upload it as it is written if online.

    Raises
    ------
    UserError
        If W&B refuses: not logged in, no such entity, the server is out of reach.
    """
    import wandb

    _refuse_inherited_service()
    if tracker.mode == "offline":  # for the process: W&B's own telemetry would look for the network otherwise
        wandb.setup(wandb.Settings(mode="offline"))
    try:
        with wandb.init(
            id=identity.id,
            resume="allow" if tracker.mode == "online" else None,
            reinit="create_new",
            mode=tracker.mode,
            project=tracker.project,
            entity=tracker.entity,
            dir=workplace,
            name=legal_name(identity.name),
            group=legal_name(identity.group),
            job_type=legal_name(identity.job_type),
            tags=legal_tags(identity.tags),
            config=dict(config),
            settings=_quiet_settings(),
        ) as run:
            yield run
    except Exception as error:  # W&B's errors have no common base
        raise UserError(
            f"run {identity.id} could not be given to Weights & Biases ({tracker.mode}): {error}"
        ) from error


def _refuse_inherited_service() -> None:
    """Have W&B write in a process of our own.

    Whoever started this program may have used W&B, and its service process is handed on by the environment.
    That one writes a run id once in its life; a second time it says nothing and writes nothing.
    """
    if f"-{os.getpid()}-" not in os.environ.get(_SERVICE, ""):
        os.environ.pop(_SERVICE, None)


def legal_name(text: str) -> str:
    """Return the name of a run, a group or a job type as W&B takes it; "unnamed" where nothing is left."""
    return _legal(text, _LONGEST_NAME) or "unnamed"


def legal_tags(tags: Iterable[str]) -> list[str]:
    """Return tags as W&B takes them: each once, none empty."""
    legal = (_legal(tag, _LONGEST_TAG) for tag in tags)
    return list(dict.fromkeys(tag for tag in legal if tag))


def _legal(text: str, longest: int) -> str:
    """Replace what can't be shown, and cut what is too long, with a digest of the whole in its place."""
    characters = (" " if unicodedata.category(one).startswith("C") else one for one in text)
    shown = " ".join("".join(characters).split())
    if len(shown) <= longest:
        return shown
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
    return f"{shown[: longest - _DIGITS - 2]}… {digest}"[:longest]


def _quiet_settings() -> wandb.Settings:
    """Nothing but the run: no console output, no look at the machine, at git, at the installed packages."""
    import wandb

    return wandb.Settings(
        silent=True,
        console="off",
        symlink=False,
        save_code=False,
        disable_code=True,
        disable_git=True,
        disable_job_creation=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,  # reading them takes longer than all the rest
    )
