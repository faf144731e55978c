"""How a commit lands on GitHub. A file of its own, as the settings name a way and must not cost what the branch imports."""

from __future__ import annotations

from typing import Literal, TypeAlias

CommitWay: TypeAlias = Literal["auto", "git", "api"]
"""A git push, the API, or (auto) a push with the API where a push is not allowed."""
