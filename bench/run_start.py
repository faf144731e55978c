"""`wharf run` over a clone that is there: how soon the command runs (also beside another), has its first page, and is over."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import servers
from figures import Row, Target, alone, compared, interleaved
from github_hub import environment, simulator
from wheels import make_wheels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from plan import Plan

_SLUG = "acme/pkgs"
_FILES = 10
_ROUNDS = 15
_SPEAK = [sys.executable, "-I", "-S", "-c", "import time; print(time.time())"]
_ASK = """
import base64, os, sys, time, urllib.request
pair = f"x:{os.environ['WHARF_INDEX_PASSWORD']}".encode()
headers = {"Authorization": "Basic " + base64.b64encode(pair).decode()}
request = urllib.request.Request(os.environ["WHARF_INDEX_URL"] + sys.argv[1] + "/", headers=headers)
with urllib.request.urlopen(request, timeout=60) as answer:
    answer.read()
print(time.time())
"""
_IMPORTS = [sys.executable, "-c", "import fastapi, uvicorn, git, urllib3, time; print(time.time())"]


def run(plan: Plan) -> list[Row]:
    """From the start of the process; the first page waits for the answer of the simulator."""
    with simulator(plan.folder / "gh-run") as hub:
        env = environment(plan.folder / "gh-run-home", hub.create(_SLUG), hub.token(_SLUG))
        wheels = make_wheels(plan.folder / "gh-run-files", _FILES)
        publish = [*servers.WHARF, "publish", "--create", *map(str, wheels)]
        subprocess.run(publish, check=True, capture_output=True, env=env, timeout=600)
        name = wheels[0].name.partition("-")[0].replace("_", "-")
        own = [*servers.WHARF, "run", "--"]
        _until_it_speaks([*own, *_SPEAK], env)  # a clone for reading is made
        begins = interleaved(
            plan.rounds(_ROUNDS),
            {"wharf": lambda: _until_it_speaks([*own, *_SPEAK], env), "alone": lambda: _until_it_speaks(_SPEAK, env)},
        )
        pages = interleaved(
            plan.rounds(_ROUNDS),
            {
                "wharf": lambda: _until_it_speaks([*own, sys.executable, "-c", _ASK, name], env),
                "imports alone": lambda: _until_it_speaks(_IMPORTS, env),
            },
        )
        ends = interleaved(
            plan.rounds(_ROUNDS),
            {"wharf": lambda: _seconds([*own, "true"], env), "python": lambda: _seconds([sys.executable, "-c", "pass"], env)},
        )
        with subprocess.Popen([*own, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as first:
            _until_it_speaks([*own, *_SPEAK], env)
            beside = [_until_it_speaks([*own, *_SPEAK], env) for _ in range(plan.rounds(_ROUNDS))]
            first.communicate(timeout=60)
    return [
        *compared("gh-run", "until the command runs", "s", begins, Target(bound=0.4)),
        alone("gh-run", "beside another run, until the command runs", "s", beside, Target(bound=0.4)),
        *compared("gh-run", "until the command has a page", "s", pages),
        *compared("gh-run", "wharf run -- true, whole process", "s", ends),
    ]


def _until_it_speaks(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Seconds from the start of a process to the moment that its command tells, by the same clock."""
    begin = time.time()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=env, timeout=60)
    return float(done.stdout) - begin


def _seconds(command: Sequence[str], env: Mapping[str, str]) -> float:
    begin = time.perf_counter()
    subprocess.run(command, check=True, env=env, timeout=60)
    return time.perf_counter() - begin
