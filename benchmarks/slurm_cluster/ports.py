"""Ports that nobody else on this machine is given."""

from __future__ import annotations

import socket


class Ports:
    """Free ports, kept for daemons that will listen on them, also while those are stopped.

    Each is bound but not listened on. That keeps others away, and lets in who sets SO_REUSEADDR, as Slurm's
    daemons do.
    """

    def __init__(self, address: str, number: int) -> None:
        self._kept = [socket.socket() for _ in range(number)]
        for kept in self._kept:
            kept.bind((address, 0))
            kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after bind, which must be exclusive

    @property
    def numbers(self) -> list[int]:
        """The ports."""
        return [kept.getsockname()[1] for kept in self._kept]

    def close(self) -> None:
        """Let go of them."""
        for kept in self._kept:
            kept.close()
