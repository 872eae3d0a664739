"""Where a server is asked."""

from __future__ import annotations

import pytest

from tests.launch.conftest import planned


@pytest.mark.parametrize(
    ("host", "url"),
    [("0.0.0.0", "http://127.0.0.1:9"), ("::1", "http://[::1]:9"), ("box.lan", "http://box.lan:9")],
)
def test_where_a_server_is_asked(host: str, url: str) -> None:
    _, launch = planned(9, policy={"host": host})
    assert launch.base_url == url
