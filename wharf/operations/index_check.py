"""index check: whether an index branch, or what a pull request makes of it, follows the index format and takes no name away.

Nothing that is checked is trusted, and nothing of it runs: it is read as git objects, one at a time, within bounds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wharf.errors import NotFoundError, StorageError, UsageError
from wharf.index import branch_paths, wharf_toml
from wharf.index.all_indexes import AllIndexes
from wharf.index.branch_contents import TooManyPathsError
from wharf.index.branch_paths import METADATA, ProjectFiles
from wharf.index.check_findings import CheckFindings
from wharf.index.index_name import is_index_name
from wharf.index.project_check import ProjectCheck
from wharf.index.wharf_toml_check import check_settings
from wharf.operations.index_check_names import CheckedIndex, NamesCheck, Wanted
from wharf.operations.upstream_words import does_not_count
from wharf.sources import branch_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wharf.index.branch import Branch
    from wharf.index.branch_contents import BranchContents, Entry
    from wharf.index.check_findings import CheckFinding, Level
    from wharf.index.wharf_toml import IndexSettings
    from wharf.repository.opening import Repository

CHUNK: Final = 250
"""Projects whose files are brought at once, where they are not on this machine."""
MOST_IDS: Final = 5000
"""Files that are brought at once."""
_BRANCH: Final = re.compile(r"(?:refs/heads/)?wharf/([^~^@]+)(?:[~^@].*)?")  # with what git takes after it, as in ~1


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexChecked:
    """What was found, and what was checked: `commit`, with `since` only what changed since that commit.

    `counts` has all findings of each level, also those that are not kept. `elsewhere` counts the projects that are required
    and that no index of the repository has.
    """

    commit: str | None
    since: str | None
    releases: int
    elsewhere: int
    findings: tuple[CheckFinding, ...]
    counts: dict[Level, int]

    @property
    def ok(self) -> bool:
        """Whether there is no error. A change of rights is none."""
        return self.counts["error"] == 0


def check_index_branch(
    repository: Repository,
    span: str | None = None,
    *,
    public: Callable[[set[str]], set[str]] | None = None,
) -> IndexChecked:
    """Check the index as it is; or what the commits `A..B` change, or `A...B`, as `span` says.

    `public` gets names and returns those that the public index has; without it, nobody is asked. Raises UsageError and
    NotFoundError for a range that does not exist, and StorageError for what cannot be read.
    """
    findings = CheckFindings()
    wanted = Wanted(findings)
    if span is None:
        before, after = None, repository.branch.tip()
        walk = _Walk(findings, wanted)
        walked = None if after is None else walk.run(None, repository.branch.contents(after))
    else:
        with repository.branch.with_history() as branch:
            before, after = commits(branch, span)
            if not branch.continues(before, after):
                findings.error(branch.ref, f"{before} is not below {after}: the history of the index was rewritten.")
            walk = _Walk(findings, wanted)
            walked = walk.run(branch.contents(before), branch.contents(after))
    elsewhere = {} if walked is None else _check_names(repository, walked, findings, wanted, public)
    return IndexChecked(
        commit=after,
        since=before,
        releases=walk.releases,
        elsewhere=len(elsewhere),
        findings=findings.all(),
        counts=dict(findings.counts),
    )


def index_of_range(span: str) -> str | None:
    """The index whose branch a range names, as in `wharf/staging~1..wharf/staging`; None if it names none.

    Raises UsageError if it names two.
    """
    found = {name for word in re.split(r"\.{2,3}", span) if (name := _index_of(word)) is not None}
    if len(found) > 1:
        first, *others = sorted(found)
        raise UsageError(
            f"This range is of several indexes: {', '.join((first, *others))}.",
            f"Say which one is checked, as in `wharf index check --index {first} {span}`.",
        )
    return next(iter(found), None)


def _index_of(word: str) -> str | None:
    named = _BRANCH.fullmatch(word)
    return named[1] if named and is_index_name(named[1]) else None


def commits(branch: Branch, span: str) -> tuple[str, str]:
    """The two commits of `A..B`; of `A...B` the one where both parted, and B, as in a pull request.

    Either side may be left out, and is the tip of the index then. Raises UsageError and NotFoundError.
    """
    dots = "..." if "..." in span else ".."
    first, separator, last = span.partition(dots)
    if not separator:
        index = span if is_index_name(span) else _index_of(span)
        whole = "" if index is None else f" For the index {index} as it is: `wharf index check --index {index}`."
        raise UsageError(f"{span!r} is no range of commits.", f"Write A..B, as in wharf/main...refs/pull/7/head.{whole}")
    before, after = (_commit(branch, word) for word in (first, last))
    if dots == "...":
        common = branch.common(before, after)
        if common is None:
            raise NotFoundError(
                f"{first or branch.ref} and {last or branch.ref} have no commit in common.",
                "A pull request to an index begins at a commit of that index.",
            )
        before = common
    return before, after


def _commit(branch: Branch, word: str) -> str:
    found = branch.commit_of(word) if word else branch.tip()
    if found is None:
        raise NotFoundError(
            f"There is no commit {word or branch.ref!r} in the repository.",
            f"Name a commit's id, a branch such as wharf/{branch.index}, or a ref such as refs/pull/7/head.",
        )
    return found


@dataclass(slots=True)
class _Walked:
    """What a walk through a branch tells about names: the projects with their versions that have files, and new projects."""

    settings: IndexSettings
    settings_changed: bool
    bases_changed: bool
    versions: dict[str, tuple[str, ...]]
    new: set[str]


@dataclass(slots=True)
class _Walk:
    """One walk through a branch."""

    findings: CheckFindings
    wanted: Wanted
    releases: int = field(default=0, init=False)

    def run(self, before: BranchContents | None, after: BranchContents) -> _Walked | None:
        """Check everything at `after`, or what differs from `before`. None if the branch or its settings cannot be read."""
        others: dict[str, Entry] = {}
        was: dict[str, Entry] = {}
        earlier = {} if before is None else dict(_projects(before, was))
        check = ProjectCheck(read=after.read, findings=self.findings, metadata=self.wanted.add, compared=before is not None)
        versions: dict[str, tuple[str, ...]] = {}
        waiting: dict[str, ProjectFiles] = {}
        try:
            for project, files in _projects(after, others):
                versions[project] = _versions(files)
                waiting[project] = files
                if len(waiting) == CHUNK:
                    self._check_projects(check, after, earlier, waiting)
        except TooManyPathsError as error:
            self.findings.error("", error.message)
            return None
        waiting.update((project, ProjectFiles()) for project in earlier.keys() - versions.keys())
        self._check_projects(check, after, earlier, waiting)
        self.releases = check.releases
        for path, entry in others.items():
            if was.get(path) != entry:
                branch_paths.check_other(path, entry, self.findings)
        here, there = others.get(wharf_toml.PATH), was.get(wharf_toml.PATH)
        old, new = _read(after, there), _read(after, here)
        settings = check_settings(old, new, self.findings)
        if settings is None:
            return None
        rebased = here != there and _bases(old) != settings.bases
        return _Walked(settings, here != there, rebased, versions, versions.keys() - earlier.keys())

    def _check_projects(
        self, check: ProjectCheck, contents: BranchContents, earlier: dict[str, ProjectFiles], waiting: dict[str, ProjectFiles]
    ) -> None:
        pairs = [(project, earlier.get(project, ProjectFiles()), files) for project, files in waiting.items()]
        ids = [id_ for _, before, after in pairs for id_ in check.needed(before, after)]
        for at in range(0, len(ids), MOST_IDS):
            contents.bring(ids[at : at + MOST_IDS])
        for project, before, after in pairs:
            check.check(project, before, after)
        waiting.clear()


def _check_names(
    repository: Repository,
    walked: _Walked,
    findings: CheckFindings,
    wanted: Wanted,
    public: Callable[[set[str]], set[str]] | None,
) -> dict[str, str]:
    """Compare names with those of other indexes; the names that are required and that no index has, each with a path."""
    own = repository.branch.index
    repository.branch.indexes()  # which brings them, where they are kept elsewhere
    found = AllIndexes(repository.branch).read({})
    for index, error in found.broken.items():
        if index != own:
            findings.warning(wharf_toml.PATH, f"The index {index!r} cannot be read: {error}")
    if walked.settings_changed and repository.github is not None:
        for key, url in walked.settings.upstream.addresses.items():
            why = branch_address.refusal(url, on_github=True)
            if why is not None:
                findings.warning(wharf_toml.PATH, f"{key} is {url}: {does_not_count(why)}")
    checked = CheckedIndex(name=own, settings=walked.settings, versions=walked.versions)
    names = NamesCheck(checked, found, findings)
    # With other bases, other indexes are those with which this one shares its names.
    names.check_owners(walked.versions if walked.bases_changed else walked.new, settings_too=walked.settings_changed)
    required = names.check_requirements(wanted)
    if public is not None:
        names.check_public(walked.new, required, public({*walked.new, *required}))
    return required


def _projects(contents: BranchContents, others: dict[str, Entry]) -> Iterator[tuple[str, ProjectFiles]]:
    """The projects, each once it is whole, because git lists the paths of a folder together. Other paths go into `others`."""
    name, found = "", ProjectFiles()
    for path, entry in contents.entries():
        place = branch_paths.split(path, entry)
        if place is None:
            others[path] = entry
            continue
        project, rest = place
        if project != name:
            if name:
                yield name, found
            name, found = project, ProjectFiles()
        found.add(rest, entry.id)
    if name:
        yield name, found


def _bases(settings: bytes | None) -> tuple[str, ...] | None:
    """The bases in a `wharf.toml`; None if there is none, or if nobody can read it."""
    try:
        return None if settings is None else wharf_toml.parse(settings).bases
    except StorageError:
        return None


def _versions(files: ProjectFiles) -> tuple[str, ...]:
    """The versions that have files: each file has its core metadata beside the record."""
    return tuple(version for version, names in files.versions.items() if any(name.endswith(METADATA) for name in names))


def _read(contents: BranchContents, entry: Entry | None) -> bytes | None:
    return None if entry is None or not entry.is_file else contents.read(entry.id)
