"""A process beside the bench's own that is told what to do: one JSON array a line, a verb and its arguments, each answered with
a line of JSON. It shares no interpreter with what is measured.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import servers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_ROOT = Path(__file__).parent.parent


class Steered:
    """Such a process, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def do(self, *words: object) -> object:
        """What a verb gives. Raises RuntimeError if the process ended."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process has no pipes")
        self._process.stdin.write(f"{json.dumps(words)}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the process ended")
        return json.loads(line)


@contextlib.contextmanager
def steered(script: str, *words: str) -> Iterator[tuple[Steered, str]]:
    """A script of the bench in a process, for as long as the context lasts, and the address that it says first."""
    command = [sys.executable, script, *words]
    env = {**servers.environment(), "PYTHONPATH": str(_ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError(f"{script} did not start")
            yield Steered(process), json.loads(line)
        finally:
            if process.stdin is not None:
                process.stdin.close()  # its end is that of the process
            process.wait(30)


def obey(url: str, verbs: Mapping[str, Callable[..., object]]) -> None:
    """Say an address, then do what the lines of stdin say, until it ends."""
    print(json.dumps(url), flush=True)
    for line in sys.stdin:
        verb, *words = json.loads(line)
        print(json.dumps(verbs[verb](*words)), flush=True)
