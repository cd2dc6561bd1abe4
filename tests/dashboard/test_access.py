"""Who is let in, and with what policy: asked of the application without a server."""

import pytest
from flask import Flask

from sgdlab.dashboard.access import COOKIE, content_security_policy, guard, is_loopback, new_token

TOKEN = "a-token"


def guarded(token):
    app = Flask("test")
    app.add_url_rule("/", "page", lambda: "in")
    app.add_url_rule("/_dash-update-component", "callback", lambda: "in", methods=["POST"])
    guard(app, token, ["'sha256-x'"])
    return app.test_client()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8050", "localhost:9999", "[::1]:8050"])
def test_on_loopback_this_machines_names_are_answered(host):
    assert guarded(None).get("/", headers={"Host": host}).text == "in"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8050", "127.0.0.1.evil.example", "", "[::1"])
def test_on_loopback_another_sites_name_is_refused(host):
    client = guarded(None)
    assert client.get("/", headers={"Host": host}).status_code == 403
    assert client.post("/_dash-update-component", headers={"Host": host}).status_code == 403


def test_with_a_token_nothing_is_answered_without_it():
    client = guarded(TOKEN)
    for answer in (client.get("/"), client.get("/?token=wrong"), client.post("/_dash-update-component")):
        assert answer.status_code == 403
        assert "in" not in answer.text.split()


def test_the_token_moves_from_the_address_into_a_cookie_that_scripts_cannot_read():
    client = guarded(TOKEN)
    answer = client.get(f"/?token={TOKEN}&sweep=a&sweep=b")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/?sweep=a&sweep=b")
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith(f"{COOKIE}={TOKEN};")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert client.get("/").text == "in"
    assert client.post("/_dash-update-component").text == "in"


def test_only_reading_is_allowed():
    client = guarded(None)
    for method in ("put", "delete", "patch", "options"):
        assert getattr(client, method)("/", headers={"Host": "localhost"}).status_code == 405


def test_every_answer_carries_the_policy_also_a_refusal():
    for host in ("localhost", "evil.example"):
        answer = guarded(None).get("/", headers={"Host": host})
        assert answer.headers["Content-Security-Policy"] == content_security_policy(["'sha256-x'"])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_policy_lets_the_page_talk_to_its_server_alone():
    policy = dict(part.strip().split(" ", 1) for part in content_security_policy(["'sha256-x'"]).split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["script-src"] == "'self' 'sha256-x'"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.0.0.1", False)],
)
def test_what_is_loopback(host, expected):
    assert is_loopback(host) is expected


def test_tokens_differ_and_are_long():
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) >= 32
