"""What this terminal can do."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping


def can_draw() -> bool:
    """Whether a screen can be drawn and keys are heard: Textual uses all three streams."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream.isatty() for stream in streams) and os.environ.get("TERM", "dumb") not in (
        "dumb",
        "unknown",
        "",
    )


def shows_unicode(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the locale says UTF-8; a terminal behind another one would show rubbish."""
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    locale = next((value for name in names if (value := environment.get(name))), "C")
    return "utf8" in locale.lower().replace("-", "")
