"""When wharf's own tokens were used last, by day: `tokens-used.json` beside the tokens. Servers write it, for people to read.

It decides nothing. A server that cannot write it lets in whoever it let in before.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import date  # noqa: TC003 - pydantic reads it
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wharf.errors import OddFileError, StorageError
from wharf.repository.locked_file import LockedFile
from wharf.system import disk_remedies, regular_file

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_LARGEST = 8 << 20  # bytes of the file that are read


class _Used(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    used: dict[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], date] = {}


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """The days, by the tokens' digests. A day is one of UTC."""

    path: Path

    def days(self) -> dict[str, date]:
        """The last day of each token that a server noted. Raises StorageError."""
        try:
            with os.fdopen(regular_file.handle_of(self.path, 1), "rb") as file:
                return _Used.model_validate_json(file.read(_LARGEST)).used
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError(f"{self.path} cannot be read: {error.strerror}.", disk_remedies.hint(error)) from error
        except (ValidationError, OddFileError) as error:
            raise StorageError(
                f"{self.path} cannot be read as the days on which tokens were used.",
                "Delete it: servers write a new one.",
            ) from error

    def note(self, digests: Collection[str], day: date, known: Collection[str]) -> bool:
        """Note that tokens were used on a day; what is not `known` any more is left out. False: another server is at it.

        Raises StorageError, or OSError where nothing can be written. A folder that is gone is not made again.
        """
        try:
            self.path.parent.stat()
            with LockedFile(self.path, patient=False) as file:
                before = {digest: last for digest, last in self.days().items() if digest in known}
                after = before | {digest: max(day, before.get(digest, day)) for digest in digests if digest in known}
                if after != before:
                    text = json.dumps(_Used(used=after).model_dump(mode="json"), indent=2) + "\n"
                    file.write(text, durable=False)
        except BlockingIOError:
            return False
        return True
