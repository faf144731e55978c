"""A machine whose clock is wrong by years: what others began stays, and what is over goes."""

from __future__ import annotations

import dataclasses
import os
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.index.test_branch import WHY
from tests.index.test_change import add, new
from tests.server.running import running, soon
from tests.server.session_client import LIMIT, SessionClient
from wharf.assets.session_requests import ReleaseAsked
from wharf.errors import StorageError
from wharf.index import branch as branches
from wharf.index.ref_transaction import STALE_LOCK
from wharf.operations import verify_folder
from wharf.operations.upload_session_verbs import begin_session, sweep_sessions, utc_second
from wharf.operations.verify import verify
from wharf.server.app import make_app
from wharf.server.rules import Rules

if TYPE_CHECKING:
    from wharf.assets.upload_session import UploadSession
    from wharf.repository.opening import Repository

wrong = pytest.mark.parametrize("years", [-10, 10])


def wrong_now(years: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=365 * years)


def begun(repository: Repository, project: str, *, ended: timedelta | None = None) -> UploadSession:
    """A session; `ended` is how long it is over."""
    asked, snapshot = ReleaseAsked(project, "1.0"), repository.branch.snapshot()
    session = begin_session(repository.sessions, repository.branch.index, asked, snapshot, creator="ci", now=utc_second())
    if ended is None:
        return session
    end = utc_second() - ended
    return repository.sessions.update(session.id, lambda each: dataclasses.replace(each, created=end, expires=end))


@pytest.mark.slow
@wrong
def test_a_server_sweeps_and_dates_sessions_by_the_clock_of_the_store(repository: Repository, years: int) -> None:
    live, over = begun(repository, "live"), begun(repository, "over", ended=timedelta(hours=1))
    secret = repository.tokens.create("ci", "publish").reveal()
    app = make_app(repository, Rules(open_reading=True, upload_limit=LIMIT), now=lambda: wrong_now(years))
    with running(app) as url, httpx.Client(base_url=url, timeout=60) as http:
        soon(lambda: repository.sessions.get(over.id) is None)
        assert repository.sessions.get(live.id) == live
        client = SessionClient(http, ("__token__", secret))
        fresh = client.begin("fresh").raise_for_status().json()
        assert client.status(fresh) == "open"
        assert client.begin("live").status_code == 409, "it is there still"
        client.delete(fresh["links"]["session"]).raise_for_status()
    found = {each.project: each for each in repository.sessions.all()}
    assert abs(found["fresh"].expires - datetime.now(UTC)) < timedelta(days=8)
    assert abs((found["fresh"].ended or found["fresh"].expires) - datetime.now(UTC)) < timedelta(hours=1)


def test_a_sweep_by_a_clock_that_is_years_ahead_deletes_nothing(repository: Repository) -> None:
    live = begun(repository, "live")
    for years in (-10, 1, 10):
        assert sweep_sessions(repository.sessions, wrong_now(years)) == []
    assert sweep_sessions(repository.sessions, live.expires + timedelta(days=59)) == [live]


@wrong
def test_verify_repairs_by_the_clock_of_the_store(repository: Repository, monkeypatch: pytest.MonkeyPatch, years: int) -> None:
    live = begun(repository, "live")
    begun(repository, "over", ended=timedelta(hours=1))
    begun(repository, "long-over", ended=timedelta(days=400))
    monkeypatch.setattr(verify_folder, "utc_now", lambda: wrong_now(years))
    verify(repository, repair=True)
    assert repository.sessions.all() == [live]


@pytest.mark.slow
def test_a_lock_is_old_by_the_clock_of_the_disk(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    branch = repository.branch
    branch.commit(add(new()), WHY)
    lock = branch.git_dir / f"{branch.ref}.lock"
    lock.touch()
    monkeypatch.setattr(time, "time", lambda: wrong_now(10).timestamp())
    monkeypatch.setattr(branches, "PATIENCE", 0.0)
    with pytest.raises(StorageError, match="kept writing"):
        branch.commit(add(new("other-1.0.tar.gz", "0" * 64, "1.0", "other")), WHY)
    assert lock.exists(), "it may be that of a writer at work"
    old = lock.stat().st_mtime - STALE_LOCK - 2
    os.utime(lock, (old, old))
    monkeypatch.setattr(time, "time", lambda: wrong_now(-10).timestamp())
    monkeypatch.setattr(branches, "PATIENCE", 60.0)
    assert branch.commit(add(new("other-1.0.tar.gz", "0" * 64, "1.0", "other")), WHY).commit == branch.tip()
