"""What tests of W&B share: no key, no server and no settings of the person who runs them."""

import os

import pytest

from wandb_stand_in import StandIn


@pytest.fixture(autouse=True)
def own_wandb(tmp_path, monkeypatch):
    """Keep W&B away from the network and from the user's home."""
    for name in [name for name in os.environ if name.startswith("WANDB_") and name != "WANDB_SERVICE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "wandb-config"))


@pytest.fixture
def server(monkeypatch):
    """A stand-in for W&B's server, and the key that it takes."""
    with StandIn() as stand_in:
        for name, value in stand_in.environment.items():
            monkeypatch.setenv(name, value)
        yield stand_in
        assert stand_in.unknown == []
