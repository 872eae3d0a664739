"""Who asks the Hub and by which token, what the client asks for itself, and where a token does not go."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.models.hub_faults import flood, refusal
from tests.models.hub_server import SHA, Hub, Repo, running, safetensors
from tests.planning.conftest import LLAMA_8B
from wizard_tui.models import hub as reading
from wizard_tui.models.hub import check_access
from wizard_tui.models.hub_headers import request_headers
from wizard_tui.models.load import load_model_metadata

FILES = {"config.json": json.dumps(LLAMA_8B).encode(), "model.safetensors": safetensors({"a": ("BF16", [8])})}
TOKEN = "hf_thetoken"


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def test_the_token_is_sent_and_named_settings_hold(hub: Hub, token: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    assert request_headers()["authorization"] == f"Bearer {TOKEN}"
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", True)
    assert set(request_headers()) == {"user-agent"}


def test_nothing_is_asked_but_what_is_said(hub: Hub, tmp_path: Path) -> None:
    """In a process of its own, as the client asks some questions once in its life."""
    from huggingface_hub import constants

    hub.repos["org/model"] = Repo(FILES)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HF_ENDPOINT": constants.ENDPOINT, "AGENT": "one"}
    program = [sys.executable, "-m", "wizard_tui", "models", "show", "org/model"]
    subprocess.run(program, env=environ, cwd=Path(__file__).parents[2], check=True, capture_output=True)
    assert [path for _, path, _ in hub.asked] == [
        "/api/models/org/model",
        f"/org/model/resolve/{SHA}/config.json",
        f"/org/model/resolve/{SHA}/model.safetensors",
    ]


def test_access_is_asked_for_by_one_question(hub: Hub, token: None) -> None:
    hub.repos["org/model"] = Repo(FILES)
    check_access("org/model")
    assert hub.asked == [("GET", "/api/models/org/model/auth-check", "")]
    assert hub.authorized_by == {f"Bearer {TOKEN}"}
    hub.repos["org/model"] = Repo(refuses=(403, "GatedRepo"))
    with pytest.raises(ValueError, match="is gated: accept its licence"):
        check_access("org/model")


def test_a_token_does_not_go_where_it_is_redirected(hub: Hub, token: None) -> None:
    store = Hub(repos={"org/model": Repo(FILES)})
    with running(store) as address:
        hub.repos["org/model"] = Repo(FILES, redirects=address)
        assert load_model_metadata("org/model").source == "tensor headers"
    assert hub.authorized_by == {f"Bearer {TOKEN}"}
    assert store.authorized_by == {""}


@pytest.fixture
def ending_token(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A token of a login by browser which is over, so that the client asks for another one."""
    from huggingface_hub import constants

    ending = f"hf_oauth_{os.urandom(8).hex()}"
    kept = tmp_path / "stored_tokens"
    kept.write_text(f"[me]\nhf_token = {ending}\nrefresh_token = again\nexpires_at = 1\n")
    (tmp_path / "token").write_text(ending)
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(kept))
    return ending


def test_a_newer_token_is_asked_for(hub: Hub, ending_token: str) -> None:
    hub.repos["org/model"] = Repo(FILES)
    hub.token = {"access_token": "hf_oauth_newer", "expires_in": 90 * 86_400}
    check_access("org/model")
    assert hub.asked[0][:2] == ("POST", "/oauth/token")
    assert hub.authorized_by == {"", "Bearer hf_oauth_newer"}


def test_an_answer_of_any_length_to_that_question_is_let_go_of(hub: Hub, ending_token: str) -> None:
    def floods(handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "POST":
            flood(handler)
        refusal(200)(handler)

    hub.fault = floods
    check_access("org/model")
    assert f"Bearer {ending_token}" in hub.authorized_by, "the old one has to do"


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_an_answer_to_that_question_that_does_not_come_ends_in_time(
    hub: Hub, ending_token: str, not_for_ever: None, monkeypatch: pytest.MonkeyPatch, begin: bytes
) -> None:
    monkeypatch.setattr(reading, "TIMEOUT_S", 0.1)
    over = threading.Event()

    def drips(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(begin)
        while not over.wait(0.02):
            handler.wfile.write(b"x")

    hub.fault = drips
    try:
        with pytest.raises(ValueError, match=r"the Hub did not answer within 0\.6 s"):
            check_access("org/model")
    finally:
        over.set()
