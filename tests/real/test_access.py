"""A server that others can reach asks installers for a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.makers import make_wheel

from .conftest import new_token
from .programs import Machine, Served, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    """A server that nobody may read without a token, and one that may read."""
    machine = Machine(tmp_path_factory.mktemp("guarded"))
    store = machine.home / "store"
    machine.wharf(
        store, "publish", make_wheel(machine.home, "secretive", requires=["hidden"]), make_wheel(machine.home, "hidden")
    )
    token = new_token(machine, store, scope="read")
    with serving(machine, store, "--host", "0.0.0.0", warns="Without TLS") as served:
        yield served, token


def test_without_any_token_such_a_server_does_not_start(machine: Machine) -> None:
    words = ("serve", "--host", "0.0.0.0", "--port", "0")
    done = machine.wharf(machine.home / "store", *words, fails=True)
    assert "wharf token create" in done.document["error"]["hint"]


@pytest.mark.parametrize("where", ["url", "netrc"])
def test_pip_installs_with_a_token(guarded: tuple[Served, str], machine: Machine, where: str) -> None:
    served, token = guarded
    python = machine.environment()
    simple = served.simple
    if where == "url":
        simple = simple.replace("://", f"://__token__:{token}@")
    else:
        netrc(machine, token)
    done = machine.pip(python, "install", "-v", "--index-url", simple, "secretive")
    assert token not in done.text
    assert machine.installed(python) == {"secretive": "1.0", "hidden": "1.0"}


@pytest.mark.parametrize("where", ["url", "netrc", "environment"])
def test_uv_installs_with_a_token(guarded: tuple[Served, str], machine: Machine, where: str) -> None:
    served, token = guarded
    python = machine.uv_environment()
    simple, secrets = served.simple, {}
    if where == "url":
        simple = simple.replace("://", f"://__token__:{token}@")
    elif where == "netrc":
        netrc(machine, token)
    else:
        simple = f"private={simple}"
        secrets = {"UV_INDEX_PRIVATE_USERNAME": "__token__", "UV_INDEX_PRIVATE_PASSWORD": token}
    words = ("pip", "install", "-v", "--python", python, "--default-index", simple, "secretive")
    done = machine.uv(*words, fails=False, **secrets)
    assert token not in done.text
    assert machine.installed(python) == {"secretive": "1.0", "hidden": "1.0"}


@pytest.mark.parametrize("credentials", ["", "__token__:unknown@"])
def test_pip_is_refused_without_a_token(guarded: tuple[Served, str], machine: Machine, credentials: str) -> None:
    simple = guarded[0].simple.replace("://", f"://{credentials}")
    said = machine.pip(machine.environment(), "install", "-vv", "--index-url", simple, "secretive", fails=True).text
    assert "401 Client Error" in said
    assert "No matching distribution found for secretive" in said


@pytest.mark.parametrize("credentials", ["", "__token__:unknown@"])
def test_uv_is_refused_without_a_token(guarded: tuple[Served, str], machine: Machine, credentials: str) -> None:
    simple = guarded[0].simple.replace("://", f"://{credentials}")
    python = machine.uv_environment()
    said = machine.uv("pip", "install", "--python", python, "--default-index", simple, "secretive", fails=True).text
    assert "401 Unauthorized" in said


def test_a_revoked_token_does_not_install(machine: Machine) -> None:
    store = machine.home / "store"
    machine.wharf(store, "publish", make_wheel(machine.home, "secretive"))
    kept, token = new_token(machine, store), new_token(machine, store, scope="read")
    machine.wharf(store, "token", "revoke", "ci-read")
    with serving(machine, store, "--host", "0.0.0.0", warns="Without TLS") as served:
        for secret, fails in ((kept, False), (token, True)):
            simple = served.simple.replace("://", f"://__token__:{secret}@")
            python = machine.environment("refused" if fails else "let-in")
            machine.pip(python, "install", "--index-url", simple, "secretive", fails=fails)


def netrc(machine: Machine, token: str) -> None:
    """Put a token where pip and uv look for passwords."""
    path = machine.home / ".netrc"
    path.write_text(f"machine 127.0.0.1 login __token__ password {token}\n", encoding="utf-8")
    path.chmod(0o600)
