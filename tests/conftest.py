"""What the whole suite shares: a store in a fresh folder, and nothing of the person's own configuration."""

from __future__ import annotations

import gc
import os
import shutil
import ssl
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from hypothesis import settings
from jwt import algorithms

from tests.simulator import Hub
from tests.simulator.openapi import Description
from wharf.index import branch_tip
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulator.answers import Answer, Request


# pytest keeps the test modules that it has prepared for the next run, where Python may write bytecode. Without them, each run
# begins with seconds of work.
sys.dont_write_bytecode = False

# Few examples of everything while somebody works, many where nobody waits (`CI` is set in GitHub Actions and by .ci/run).
settings.register_profile("few", max_examples=12, deadline=None)
settings.register_profile("many", max_examples=150, deadline=None)
settings.load_profile("many" if os.environ.get("CI") else "few")

_FAST = "not slow and not real and not live"  # as in pyproject.toml
PLACES = (
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "GH_CONFIG_DIR",
    "WHARF_REPO",
    "WHARF_INDEX",
    "WHARF_SERVER",
    "NETRC",
)
TOKENS = (
    "WHARF_TOKEN",
    "WHARF_APP_ID",
    "WHARF_APP_KEY",
    "GH_TOKEN",
    "GITHUB_TOKEN",
    "GITHUB_ACTIONS",
    "GITHUB_REPOSITORY",
    "GITHUB_SERVER_URL",
    "GH_HOST",
)
ENTERPRISE = ("GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN")


def pytest_configure(config: pytest.Config) -> None:
    """The fast run has its folders in memory where the system has room for that: it takes a tenth less time there."""
    memory = Path("/dev/shm")
    usable = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30
    if config.option.markexpr == _FAST and usable:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_collection_finish() -> None:
    """What is imported by now stays: no collection of garbage looks at it again."""
    gc.collect()
    gc.freeze()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """As many as there are cores for folders of tests; none for a file or a few tests, which are done before workers start."""
    given = [Path(each.partition("::")[0]) for each in config.args]
    return None if any(path.is_dir() for path in given) and not config.option.keyword else 0


@pytest.fixture(autouse=True)
def _nobodys_configuration(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text("[user]\n\tname = Ada Example\n\temail = ada@example.org\n")
    monkeypatch.setenv("HOME", str(home))
    for name in (*PLACES, *TOKENS, *ENTERPRISE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(autouse=True, scope="session")
def _patience() -> Iterator[None]:
    """httpx gives up after 5 seconds, if a test says nothing else. A busy machine may need more for an answer."""
    with pytest.MonkeyPatch.context() as patched:
        for wait in ("connect", "read", "write", "pool"):
            patched.setattr(DEFAULT_TIMEOUT_CONFIG, wait, 60.0)
        yield


@pytest.fixture(autouse=True, scope="session")
def _certificates_read_once() -> Iterator[None]:
    """Each client of httpx reads the certificates of all authorities anew, which takes longer than most tests that have one."""
    create = ssl.create_default_context

    @cache
    def created(_environ: tuple[str | None, ...], *args: object, **given: object) -> ssl.SSLContext:
        return create(*args, **given)  # type: ignore[arg-type]

    def kept(*args: object, **given: object) -> ssl.SSLContext:
        return created((os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")), *args, **given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ssl, "create_default_context", kept)
        yield


@pytest.fixture(autouse=True, scope="session")
def _keys_read_once() -> Iterator[None]:
    """cryptography checks a private key of RSA each time that it reads it, which takes longer than all else of a JWT."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(algorithms, "load_pem_private_key", cache(load_pem_private_key))
        yield


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ref that is lost is not waited for."""
    monkeypatch.setattr(branch_tip, "_SETTLE", 0.05)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of a store that does not exist yet."""
    return tmp_path / "store"


@pytest.fixture
def repository(store: Path) -> Iterator[Repository]:
    """An empty store in a folder, open."""
    with open_repository(Settings(place=store)) as opened:
        yield opened


@pytest.fixture(scope="session")
def _described() -> Description | None:
    """GitHub's description of its API, where this machine has it (docs/testing.md)."""
    place = os.environ.get("WHARF_GITHUB_OPENAPI")
    return Description(Path(place)) if place else None


@pytest.fixture(autouse=True)
def _as_github_describes_it(_described: Description | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a simulator answers in any test has to be an answer that GitHub describes."""
    wrong: list[str] = []

    def observe(request: Request, answer: Answer) -> None:
        path = request.path.removeprefix("/api/v3").replace("/api/uploads", "")
        # Moved repositories answer by their number, and old recordings ask with a slash at the end: neither is described.
        known = not path.startswith("/repositories/") and not path.endswith("/")
        if _described is not None and isinstance(answer.body, bytes) and known:
            kind = answer.headers.get("content-type", "")
            wrong.extend(_described.problems(request.method, path, answer.status, kind, answer.body))

    monkeypatch.setattr(Hub, "observer", staticmethod(observe))
    yield
    assert wrong == []
