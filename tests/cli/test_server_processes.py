"""`wharf --server URL publish` as a process: killed and run again, without a home, hung up on while that is ignored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_wheel
from tests.real.programs import Machine, serving
from tests.server.running import soon
from wharf.repository.tokens import NewToken

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.repository.opening import Repository


@pytest.mark.slow
def test_a_publish_that_is_killed_continues_and_one_that_is_hung_up_on_ends(
    repository: Repository, store: Path, tmp_path: Path
) -> None:
    machine = Machine(tmp_path / "home")
    token = repository.tokens.add(NewToken(name="ada", scope="publish", expires=None)).reveal()
    environ = machine.environ(PYTHONPATH=os.getcwd(), WHARF_TOKEN=token)
    small = make_wheel(tmp_path, "a")
    large = make_wheel(tmp_path, "b", files={f"b/{n}.bin": os.urandom(4 << 20) for n in range(4)})

    def staged() -> bool:
        return any(path.parent.name == "files" for path in (store / "sessions").rglob("*"))

    with serving(machine, store) as served:
        words = [sys.executable, "-m", "wharf", "--server", served.url, "publish", "--json", str(small), str(large)]
        with subprocess.Popen(words, env=environ, stdout=subprocess.DEVNULL) as process:
            soon(lambda: staged() or process.poll() is not None)
            process.kill()
        del environ["HOME"]
        ignoring = ["sh", "-c", 'trap "" HUP; exec "$0" "$@"', *words]
        with subprocess.Popen(ignoring, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            soon(lambda: (served.page()["projects"] and True) or process.poll() is not None)
            process.send_signal(signal.SIGHUP)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 0, (out, err)
        assert token.encode() not in out + err
        assert {each["name"] for each in served.page()["projects"]} == {"a", "b"}
