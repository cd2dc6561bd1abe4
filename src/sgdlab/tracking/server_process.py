"""A process that asks W&B's server whether it is there and knows the key; it prints one line of JSON.

It is a process of its own because W&B keeps one state a process, which may have been told to stay offline.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

from sgdlab.errors import UserError

_TIMEOUT_S = 60
_OF_THIS_PROCESS = ("WANDB_MODE", "WANDB_SERVICE", "WANDB_SILENT", "WANDB_QUIET", "WANDB_DISABLED")


def ask_server() -> str:
    """Return the address of W&B's server once it has accepted the key.

    Raises
    ------
    UserError
        If there is no key, the server is out of reach, or it doesn't accept the key.
    """
    command = [sys.executable, "-m", __name__]
    try:
        answer = subprocess.run(
            command, env=online_environment(), capture_output=True, text=True, timeout=_TIMEOUT_S
        )
        found = json.loads(answer.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, ValueError, LookupError) as error:
        raise UserError("Weights & Biases did not say whether its server is there; try again") from error
    if found["problem"]:
        raise UserError(found["problem"])
    return str(found["server"])


def online_environment() -> dict[str, str]:
    """Return this process's environment without what keeps W&B silent or offline."""
    return {name: value for name, value in os.environ.items() if name not in _OF_THIS_PROCESS}


def _look() -> dict[str, str | None]:
    import requests
    import wandb

    server = wandb.setup().settings.base_url
    try:
        requests.get(server, timeout=10, allow_redirects=False)
    except requests.RequestException as error:
        why = type(error).__name__
        return {
            "server": server,
            "problem": f"the Weights & Biases server {server} is out of reach ({why}); "
            "WANDB_BASE_URL names another one",
        }
    try:
        is_logged_in = wandb.login(prompt=False, verify=True)
    except Exception as error:  # W&B's errors have no common base
        return {
            "server": server,
            "problem": f"the Weights & Biases server {server} does not accept the API key: {error}; "
            "`wandb login --relogin` takes another one",
        }
    problem = None if is_logged_in else f"not logged in at {server}: `wandb login`, or set WANDB_API_KEY"
    return {"server": server, "problem": problem}


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        found = _look()
    print(json.dumps(found))
