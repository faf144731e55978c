"""The odd distributions that `tests/cases/distributions` describes, as values and as files."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.makers import core_metadata, escaped, make_sdist, make_wheel

_FOLDER = Path(__file__).parent / "cases" / "distributions"
_LARGE = 2 << 20


@dataclass(frozen=True, slots=True)
class Odd:
    """One case; the README beside the cases says what its keys mean."""

    family: str
    number: int
    table: dict[str, Any]

    @property
    def label(self) -> str:
        return f"{self.family}: {self.table['name']}"

    @property
    def project(self) -> str:
        """A name that no other case has."""
        return f"{self.family}-{self.number}"

    @property
    def is_offered(self) -> bool:
        return str(self.table["does"]) != "refuse"

    def made(self, folder: Path) -> Path:
        """The file."""
        name = self.project
        options = dict(self.table.get("make", {}))
        if options.pop("large", False):
            options["metadata"] = core_metadata(name, description="x" * (_LARGE - 100))
        if "files" in options:
            options["files"] = {self._filled(path): self._filled(text) for path, text in options["files"].items()}
        if self.table.get("kind") != "sdist":
            return make_wheel(folder, name, **options)
        top = f"{'./' if self.table.get('dotted') else ''}{escaped(name)}-1.0"
        return make_sdist(folder, name, top=top, **options)

    def _filled(self, text: str) -> str:
        stem = f"{escaped(self.project)}-1.0"
        text = text.replace("{module}", escaped(self.project))
        return text.replace("{dist_info}", f"{stem}.dist-info").replace("{data}", f"{stem}.data")


def cases() -> list[Odd]:
    """All of them."""
    found = []
    for path in sorted(_FOLDER.glob("*.toml")):
        tables = tomllib.loads(path.read_text(encoding="utf-8"))["case"]
        found += [Odd(path.stem, number, table) for number, table in enumerate(tables)]
    return found
