"""What must not change in the record of a release, whoever changes it: names keep their bytes for ever. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.distribution.file_names import Name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wharf.index.check_findings import CheckFindings
    from wharf.model import File, Release


def check_change(path: str, before: Release, after: Release, findings: CheckFindings) -> None:
    """Compare two states of one release, the earlier one first. Both were parsed, so that each file name can be.

    A name in another spelling is the same name: whoever removes a file may publish it again as the build tools spell it now.
    """
    there = {Name.parse(file.filename): file for file in after.files}
    removed = dict(_by_name(after.removed.items()))
    for file in before.files:
        name = Name.parse(file.filename)
        now = there.get(name)
        if now is None and name not in removed:
            findings.error(path, f"{file.filename} left `files` and does not stand in `removed`: its name would be free.")
        elif now is None and removed[name] != file.sha256:
            findings.error(path, f"{file.filename} was removed with another sha256 than it had.")
        elif now is not None and now.sha256 != file.sha256:
            findings.error(
                path, f"The bytes of {file.filename} changed: sha256 {file.sha256} before, {now.sha256} now. They never may."
            )
        elif now is not None:
            _check_same(path, file, now, findings)
    for filename, sha256 in before.removed.items():
        name = Name.parse(filename)
        now = there.get(name)
        if now is not None and now.sha256 != sha256:
            findings.error(path, f"{filename} was removed once, and came back with other bytes.")
        elif now is None and removed.get(name) != sha256:
            what = "has another sha256 there now" if name in removed else "left it"
            findings.error(path, f"{filename} stood in `removed` and {what}: other bytes could come back under its name.")


def _check_same(path: str, before: File, after: File, findings: CheckFindings) -> None:
    """What follows from a file's bytes, and so changes only with them."""
    if before.size != after.size:
        findings.error(path, f"The size of {after.filename} changed, and its sha256 did not.")
    if before.core_metadata and after.core_metadata and before.core_metadata != after.core_metadata:
        findings.error(path, f"The core metadata of {after.filename} changed, and its sha256 did not.")
    if before.requires_python != after.requires_python:
        findings.warning(path, f"The requires-python of {after.filename} changed, and its sha256 did not.")


def _by_name(removed: Iterable[tuple[str, str]]) -> Iterator[tuple[Name, str]]:
    return ((Name.parse(filename), sha256) for filename, sha256 in removed)
