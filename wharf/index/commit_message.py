"""The message of a commit on the index branch: what was done, why, and by whom, as trailers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wharf.index.change import Named

_ACTOR = "Wharf-Actor"
_RUN = "Wharf-Run"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitMessage:
    """Why a commit is made: the verb, who wants it, and a reason of one or more lines (may be empty).

    `actor` None is the person here, or on GitHub the owner of the token, whom the branch finds out when it commits.
    `email` is the committer's address, `run` that of the run of GitHub Actions which does it; both may be empty.
    `moment`, in seconds since 1970, is when the commit says that it was made; None: when it is made, by the
    store's clock. `what` is what it is about, where no file is.
    """

    verb: str
    actor: str | None = None
    reason: str = ""
    email: str = ""
    run: str = ""
    moment: int | None = None
    what: str = "the index"

    def text(self, changed: Sequence[Named]) -> str:
        """The commit's message: verb and releases, the file if it is one, the reason, and who did it as trailers."""
        releases = list(dict.fromkeys((named.project, named.version) for named in changed))
        what = summed_up(releases) or self.what
        if len(changed) == 1:
            what += f" ({changed[0].file.filename})"
        body = f"\n{self.reason}\n" if self.reason else ""
        run = f"{_RUN}: {self.run}\n" if self.run else ""
        return f"{self.verb} {what}\n{body}\n{run}{_ACTOR}: {self.actor}\n"


def summed_up(releases: Sequence[tuple[str, str]]) -> str:
    """Releases (project and version, which may be empty) by name if there are few, else how many there are."""
    if len(releases) > len(releases[:3]):
        count = len({project for project, _ in releases})
        return f"{len(releases)} releases of {count} project{'' if count == 1 else 's'}"
    return ", ".join(f"{project} {version}".strip() for project, version in releases)


def parse_commit_message(text: str, author: str) -> tuple[str, str, str, str]:
    """Verb, actor, run and the message without trailers; a commit that wharf did not make is an `edit` by its author."""
    lines = text.strip().splitlines()
    if not lines or not lines[-1].startswith(f"{_ACTOR}: "):
        return "edit", author, "", text.strip()
    actor = lines.pop().removeprefix(f"{_ACTOR}: ")
    run = lines.pop().removeprefix(f"{_RUN}: ") if lines and lines[-1].startswith(f"{_RUN}: ") else ""
    return (lines[0].partition(" ")[0] if lines else "edit"), actor, run, "\n".join(lines).strip()
