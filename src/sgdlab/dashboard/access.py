"""Who may read the dashboard: a token off this machine, no other site's pages, nothing from elsewhere.

On loopback the address itself keeps others out, save pages of other sites whose name is made to mean
127.0.0.1 ("DNS rebinding"): so the `Host` that a browser asks for must be this machine's. Elsewhere a token
is asked for with every request, Dash's own included: once in the address, then in a cookie that scripts
can't read. What is served carries a policy that lets the page talk to nobody else.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Sequence
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

COOKIE = "sgdlab-dashboard"
_IN_ADDRESS = "token"
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what is bound to an address or name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def new_token() -> str:
    """Return a token that can't be guessed."""
    return secrets.token_urlsafe(24)


def guard(server: Flask, token: str | None, script_hashes: Sequence[str]) -> None:
    """Check every request, and send the policy with every answer; without a token, for loopback."""
    policy = content_security_policy(script_hashes)

    def check() -> AnyResponse | None:
        if request.method not in ("GET", "HEAD", "POST"):
            return Response("the dashboard only reads\n", 405)
        return _check_host() if token is None else _check_token(token)

    def add_headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    server.before_request(check)
    server.after_request(add_headers)


def content_security_policy(script_hashes: Sequence[str]) -> str:
    """Return the policy: scripts are the server's own and Dash's inline ones, known by their hashes.

    plotly and the tables set styles on elements, so inline styles are allowed. Pictures of a figure are made
    in the page, as data: and blob: addresses.
    """
    scripts = " ".join(["'self'", *script_hashes])
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _check_host() -> AnyResponse | None:
    if _host_asked_for() in _LOCAL_NAMES:
        return None
    return Response("this dashboard answers to 127.0.0.1 and localhost alone\n", 403, mimetype="text/plain")


def _host_asked_for() -> str | None:
    try:
        return urlsplit(f"//{request.headers.get('Host', '')}").hostname
    except ValueError:
        return None


def _check_token(token: str) -> AnyResponse | None:
    """Let in whoever has the cookie; give it to whoever has the token in the address, and hide it there."""
    if _is(request.cookies.get(COOKIE), token):
        return None
    if not _is(request.args.get(_IN_ADDRESS), token):
        text = "the address needs its token: use the one that `sgdlab dashboard` printed\n"
        return Response(text, 403, mimetype="text/plain")
    others = [(name, value) for name, value in request.args.items(multi=True) if name != _IN_ADDRESS]
    answer = redirect(request.path + (f"?{urlencode(others)}" if others else ""), 303)
    answer.set_cookie(COOKIE, token, httponly=True, samesite="Strict", path="/")
    return answer


def _is(given: str | None, token: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest((given or "").encode(), token.encode())
