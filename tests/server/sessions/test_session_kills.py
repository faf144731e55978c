"""A server that is killed while it has a session, in each state of it: the next one continues."""

from __future__ import annotations

import json
import random
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.makers import make_sdist, make_wheel
from tests.server.running import soon
from tests.server.session_client import SessionClient
from tests.server.test_durability import check, kill, served, wharf

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow


def _local(found: Any) -> Any:
    """An answer with addresses that hold for the next server, too."""
    if isinstance(found, dict):
        return {key: _local(each) for key, each in found.items()}
    return urlsplit(found).path if isinstance(found, str) and found.startswith("http://") else found


def test_a_session_outlives_its_server_in_each_state(store: Path, tmp_path: Path) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    wharf(store, "publish", make_wheel(tmp_path, "other"))
    auth = ("__token__", json.loads(wharf(store, "token", "create", "ci", "--json"))["token"])
    session: dict[str, Any] = {}
    file: dict[str, Any] = {}
    chance = random.Random(3)

    def begun(client: SessionClient, _: object) -> None:
        session.update(_local(client.begin().json()))

        assert client.status(session) == "open"

    def announced(client: SessionClient, _: object) -> None:
        begun(client, None)
        file.update(_local(client.announce(session, wheel).json()))

    def sent(client: SessionClient, _: object) -> None:
        assert client.send(file, wheel.read_bytes()).status_code == 200

    def completed(client: SessionClient, _: object) -> None:
        assert client.complete(file).status_code == 201
        client.upload(session, sdist)

    def in_publish(client: SessionClient, process: subprocess.Popen[str]) -> None:
        def publish() -> None:
            try:
                answers.append(client.publish(session).status_code)
            except httpx.TransportError:
                answers.append(0)

        answers: list[int] = []
        thread = threading.Thread(target=publish)
        thread.start()
        thread.join(chance.random() / 50)
        kill(process)
        thread.join(20)
        assert set(answers) <= {0, 201}

    steps: tuple[Callable[[SessionClient, subprocess.Popen[str]], None], ...]
    steps = (announced, sent, completed, in_publish)
    for step in steps:
        with served(store) as (url, process), httpx.Client(base_url=url, timeout=30) as http:
            client = SessionClient(http, auth)
            step(client, process)
            kill(process)
    check(store, {})
    with served(store) as (url, _), httpx.Client(base_url=url, timeout=30) as http:
        client = SessionClient(http, auth)
        assert client.status(session) in {"open", "error", "published"}
        assert client.publish(session).status_code == 201
        assert client.status(session) == "published"
        soon(lambda: all(name in http.get("/simple/demo/").text for name in (wheel.name, sdist.name)))
    log = json.loads(wharf(store, "log", "--json"))["entries"]
    assert len([each for each in log if each["verb"] == "publish"]) == 2
