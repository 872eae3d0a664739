"""What may be kept and shown of a text, and what may not."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.models.hub_server import SHA
from wizard_tui.models import catalog
from wizard_tui.schemas.secrets import HIDDEN, refuse_token, without_keys_in, without_secrets, without_secrets_in

MANY = settings(max_examples=400, deadline=None, derandomize=True, database=None)
LONG = "abcdefghijklmnopqrstuvwxyz0123456789"
TOKENS = [
    f"hf_{LONG[:34]}", f"api_org_{LONG[:34]}", f"hf_oauth_{LONG}", f"sk-{LONG}", f"sk-proj-{LONG}-{LONG}",
    f"sk-ant-api03-{LONG}", f"nvapi-{LONG}", f"ghp_{LONG}", f"gho_{LONG}", f"github_pat_{LONG}", f"glpat-{LONG[-20:]}",
    "AKIA" + "ABCDEFGH" * 2, f"eyJ{LONG}.eyJ{LONG}.{LONG}",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://me:key@huggingface.co/a/b", "https://huggingface.co/a/b"),
        ("https://key@hf.co/a/b@main", "https://hf.co/a/b@main"),
        ("http://a:b@c:d@127.0.0.1:80/x", "http://127.0.0.1:80/x"),
        ("me:key@huggingface.co/a/b", "huggingface.co/a/b"),
        ("key@huggingface.co/a/b", "huggingface.co/a/b"),
        ("https:/me:key@hf.co/a/b", "https:/hf.co/a/b"),
        ("https:me:key@hf.co/a/b", "hf.co/a/b"),
        ("HTTPS://Me:Key@HF.CO/a/b", "HTTPS://HF.CO/a/b"),
        ("git+https://key@github.com/a/b", "git+https://github.com/a/b"),
        (" 'https://me:key@hf.co/a/b'", " 'https://hf.co/a/b'"),
        ("me:key@localhost", "localhost"),
        ("me:key@box:8000/a/b", "box:8000/a/b"),
        ("http://me:key@[::1]:8000/a", "http://[::1]:8000/a"),
        ("me:key@reg.io:5000/image:v1@sha256:0123", "reg.io:5000/image:v1@sha256:0123"),
        ("sql=https://me:key@hf.co/a", "sql=https://hf.co/a"),
        ("a=me:key@hf.co/a, b=me:key@hf.co/b", "a=hf.co/a, b=hf.co/b"),
        ("https://hf.co/a/b?token=x", "https://hf.co/a/b"),
        ("https://hf.co/a/b#x?y", "https://hf.co/a/b"),
        ("hf.co/a/b?token=x#y", "hf.co/a/b"),
        ("https://mirror.local/a/b?token=x", "https://mirror.local/a/b"),
        ("me:key@box/a?token=x", "box/a"),
        ("hf.co/a/b#x:/y", "hf.co/a/b"),
        ("me:/k/e:/y@box/a", "box/a"),
    ],
)
def test_an_address_is_kept_as_host_and_path(text: str, kept: str) -> None:
    assert without_secrets(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "Qwen/Qwen3-8B", "gpt2", "org/model@main", "org/model@v1.0", "H100 80GB", "vllm:v1@sha256:0123", "8k", "::1",
        "vllm/vllm-openai:v1@sha256:0123", "box:5000/image:v1@sha256:0123", "http://localhost:8000/org/model@main",
        "./models/what?#now", "/data/a:b@c/model?x", "~/me@hf.co/model", "models/a?b#c", "https://hf.co/a/b@v1.0",
        "org/sk-learn-2-large-classifier", "sk-learn-is-a-very-long-name", "sql=org/adapter, chat=org/other", SHA,
        "http://[::1]:8000/a", "H100 #2", "hf_model", "org/hf_abcdefghijk",
    ],
)  # fmt: skip
def test_text_without_secrets_stays(text: str) -> None:
    assert without_secrets(text) == text
    assert refuse_token(text) == text


def test_no_name_of_the_catalogue_is_one() -> None:
    for name in catalog.ids():
        assert without_secrets(name) == name


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_is_known_by_its_shape(token: str) -> None:
    assert without_secrets(token) == HIDDEN
    assert token not in without_secrets(f"--key={token}")
    assert token not in without_secrets_in(f"it cannot be {token!r}, as {token}: is none")
    assert without_secrets(f"https://{token}@hf.co/a/b") == "https://hf.co/a/b"
    for text in (token, HIDDEN, f"org/{HIDDEN}"):
        with pytest.raises(ValueError, match="the name looks like a secret token") as caught:
            refuse_token(text, "the name")
        assert token not in str(caught.value)


PASSWORDS = st.text(string.ascii_letters + string.digits + "/#? :@%&=+,;!.-_", max_size=20).map(
    lambda text: f"Zq{text}9Xy"
)
FORMS = ("https://me:{}@huggingface.co/org/model",
         "https://me:{}@hf.co/org/model@main", "me:{}@huggingface.co/org/model",
         "me:/{}@box/org/model", "http://me:{}@127.0.0.1:8000/org/model", "me:{}@localhost", "https:/me:{}@hf.co/a/b",
         "https://hf.co/org/model?token={}", "hf.co/org/model#{}", "http://mirror:80/a/b?x={}#{}")  # fmt: skip


@MANY
@given(PASSWORDS, st.sampled_from(FORMS))
def test_no_part_of_any_password_is_left(password: str, form: str) -> None:
    left = without_secrets(form.replace("{}", password))
    assert "Zq" not in left
    assert "9Xy" not in left


@MANY
@given(st.text(max_size=60) | st.text("a:/@?#=,. 1[]", max_size=60) | st.sampled_from(TOKENS))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = without_secrets(text)
    assert without_secrets(once) == once


def test_a_sentence_keeps_its_words() -> None:
    sentence = "x.yaml: model.model cannot be 'https://me:key@box/a?t=1' or me:key@localhost; did you mean y?"
    assert without_secrets_in(sentence) == (
        "x.yaml: model.model cannot be 'https://box/a' or localhost; did you mean y?"
    )


@pytest.mark.parametrize(
    "message",
    ["token=KEY", "my_secret: KEY", "api_key = KEY", "Authorization: Bearer KEY", "bearer KEY", "sk-KEY", "xoxb-KEY",
     "a1b2c3d4e5f6a7b8c9d0KEY", "https://me:KEY@box/a"],
)  # fmt: skip
def test_whatever_may_be_a_key_is_kept_from_strangers(message: str) -> None:
    shown = without_keys_in(f"no {message} here", "[gone]")
    assert "KEY" not in shown
    assert shown.startswith("no ")
    assert shown.endswith(" here")
    # a short name with digits, and a long one without, are none
    assert without_keys_in("llama3 num_attention_heads_per_layer") == "llama3 num_attention_heads_per_layer"
