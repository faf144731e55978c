"""The upstream index that the tests bring (tests/upstream.py), in a process of its own, with what an application needs.

`python upstream_index.py FOLDER` is steered as steering.py says.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steering import Steered, obey, steered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.upstream import Upstream
    from tests.upstream_pages import File

LATENCY = 0.02
"""Seconds that every request and every new connection takes besides the work that it makes."""
BANDWIDTH = 10_000_000
"""Bytes a second that all answers share."""
PACKAGES = 60
LARGE = "large-file"
"""A project with one file and no dependencies."""

SAME_FILES = "cmp-project"
"""A project with FILES files of one release each, as an index of our own has them."""
FILES = 150

_TAGS = ("cp311-cp311-manylinux_2_28_x86_64", "cp312-cp312-macosx_11_0_arm64", "cp313-cp313-win_amd64")
_OLDEST, _GROWTH = 8_000, 1.115  # 60 wheels from 8 kB to 5 MB, 48 MB together
_SEED = 14


@dataclass(frozen=True, slots=True)
class Served:
    """What an upstream was asked for: requests that it answered with 200 or 206, and the bytes of their bodies."""

    requests: int
    sent: int


class Steering:
    """One upstream, seen from the benchmark's process."""

    def __init__(self, process: Steered, simple: str) -> None:
        self.simple = simple
        self._process = process

    def clear(self) -> None:
        """Forget the requests."""
        self._process.do("clear")

    def served(self, part: str) -> Served:
        """The requests with `part` in their paths since they were last forgotten."""
        found = self._process.do("served", part)
        if not isinstance(found, list):
            raise TypeError("the upstream gave no list")
        return Served(*found)

    def large(self, size: int) -> None:
        """Give LARGE a file of about `size` bytes."""
        self._process.do("large", size)


def package(number: int) -> str:
    """The name of a package of the application; the first one needs all others."""
    return f"app-part-{number:02}"


@contextlib.contextmanager
def upstream(folder: Path) -> Iterator[Steering]:
    """An upstream for as long as the context lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    with steered(__file__, str(folder)) as (process, simple):
        yield Steering(process, simple)


def _fill(upstream: Upstream, folder: Path) -> None:
    """60 packages with real newest wheels, between ten and 150 older versions on their pages, and addresses with digests."""
    from tests.upstream_pages import Project

    source = random.Random(_SEED)
    for number in range(PACKAGES):
        name = package(number)
        versions = source.randint(10, 150)
        needed = {each for each in (2 * number + 1, 2 * number + 2, number + 7) if each < PACKAGES}
        wheel = _wheel(folder, name, f"{versions}.0", sorted(needed), int(_OLDEST * _GROWTH ** (number * 7 % PACKAGES)), source)
        newest = upstream.add(wheel, requires_python=">=3.9", url=_address(upstream, wheel.name))
        stems = [f"{name.replace('-', '_')}-{version}.0" for version in range(versions)]
        old = [f"{stem}{end}" for stem in stems for end in (*(f"-{tag}.whl" for tag in _TAGS), ".tar.gz")]
        upstream.projects[name].files[:0] = [_listed(upstream, newest, filename) for filename in old]
    stem = SAME_FILES.replace("-", "_")
    same = [_listed(upstream, newest, f"{stem}-1.{version}-py3-none-any.whl") for version in range(FILES)]
    upstream.projects[SAME_FILES] = Project(SAME_FILES, same)


def _wheel(folder: Path, name: str, version: str, needed: list[int], size: int, source: random.Random) -> Path:
    """A wheel of some modules of text, and what is left of `size` as data that does not compress."""
    from tests.makers import make_wheel

    module = name.replace("-", "_")
    files: dict[str, str | bytes] = {
        f"{module}_parts/m{each}.py": f"# {each}\n" + "answer = 42\n" * 200 for each in range(min(60, size // 4000))
    }
    files[f"{module}_parts/data.bin"] = source.randbytes(size)
    requires = [f"{package(each)}>=1.0" for each in needed]
    fields = [f"Classifier: Programming Language :: Python :: 3.{minor}" for minor in range(9, 15)]
    return make_wheel(folder, name, version, requires=requires, files=files, fields=fields, requires_python=">=3.9")


def _listed(upstream: Upstream, file: File, filename: str) -> File:
    """A file that is on the page, as large as another one, and that nobody gets."""
    digest = hashlib.sha256(filename.encode()).hexdigest()
    day, micros = int(digest[:2], 16), int(digest[2:6], 16)
    return dataclasses.replace(
        file,
        filename=filename,
        sha256=digest,
        metadata_sha256=hashlib.sha256(digest.encode()).hexdigest(),
        upload_time=f"20{15 + day % 10}-0{1 + day % 9}-1{day % 7}T03:04:05.{micros:06}Z",
        url=_address(upstream, filename),
    )


def _address(upstream: Upstream, filename: str) -> str:
    """As public indexes have them: absolute, and with a digest."""
    digest = hashlib.blake2b(filename.encode(), digest_size=32).hexdigest()
    return f"{upstream.url}/root/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{filename}"


def _verbs(upstream: Upstream, folder: Path) -> dict[str, Callable[..., object]]:
    """What a line may ask for; the values given back are JSON."""

    def served(part: str) -> list[int]:
        found = [each for each in list(upstream.asked) if part in each.path and each.status in {200, 206}]
        return [len(found), sum(each.sent for each in found)]

    def large(size: int) -> None:
        upstream.projects.pop(LARGE, None)
        upstream.add(_wheel(folder, LARGE, f"1.{size}", [], size, random.Random(size)))

    return {"clear": upstream.asked.clear, "served": served, "large": large}


def main() -> None:
    """Serve until stdin ends."""
    from tests.upstream import Upstream

    folder = Path(sys.argv[1])
    with Upstream(host="127.0.0.1", latency=LATENCY, bandwidth=BANDWIDTH) as upstream:
        _fill(upstream, folder)
        upstream.settled = True
        obey(upstream.simple, _verbs(upstream, folder))


if __name__ == "__main__":
    main()
