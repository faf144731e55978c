"""How a commit lands on GitHub.

It is a separate file, because the settings name a way and must not import what the branch needs.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

CommitWay: TypeAlias = Literal["auto", "git", "api"]
"""A git push, the API, or (auto) a push with the API where a push is not allowed."""
