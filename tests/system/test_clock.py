"""The clock by which signed addresses, verdicts and GitHub's limits run out goes on while a laptop sleeps."""

import inspect
import sys
from pathlib import Path

import pytest

from wharf.github.request_turns import Waiting
from wharf.server.access.github_access import GitHubAccess
from wharf.server.access.run_password_access import RunPasswordAccess
from wharf.server.app import make_app
from wharf.server.files.download_cache import DownloadCache
from wharf.server.files.signed_links import SignedLinks
from wharf.server.refresh.refresher import Refresher
from wharf.system.clock import elapsed


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells it on Linux")
def test_it_counts_what_the_kernel_counts_sleep_and_all() -> None:
    before = elapsed()
    told = float(Path("/proc/uptime").read_text().split()[0])
    assert before - 5 < told < elapsed() + 5


def test_it_never_goes_back() -> None:
    moments = [elapsed() for _ in range(100)]
    assert moments == sorted(moments)


@pytest.mark.parametrize("holder", [make_app, SignedLinks, GitHubAccess, Refresher, DownloadCache, RunPasswordAccess, Waiting])
def test_whatever_holds_for_a_time_goes_by_it(holder: object) -> None:
    assert callable(holder)
    assert inspect.signature(holder).parameters["clock"].default is elapsed
