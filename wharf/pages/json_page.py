"""The document of the older JSON API of the public index: one project with its files, or one of its versions.

It has the keys that readers of that API look for. Null is what wharf does not know. `docs/server.md` says what stands where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.version import Version

from wharf.index import record

if TYPE_CHECKING:
    from packaging.metadata import RawMetadata

    from wharf.model import File, Json, Project, Release

_NO_COUNT: dict[str, Json] = {"last_day": -1, "last_month": -1, "last_week": -1}


def shown_release(project: Project) -> Release | None:
    """The release that stands for a project: the newest one that is not yanked and no pre-release, if there is such a one.

    Then one that is not yanked, then any. None: no version has files.
    """
    filled = [release for release in project.releases if release.files]
    return max(filled, key=_rank, default=None)


def serial(project: Project) -> int:
    """What stands for the number of the last change, which wharf does not count: the second of the newest upload."""
    return max((int(file.upload_time.timestamp()) for file in project.files), default=0)


def json_page(project: Project, release: Release, fields: RawMetadata, base: str, *, whole: bool) -> dict[str, Json]:
    """The document of one release. `whole`: with the files of all versions.

    `fields` are those of the core metadata of the release, `base` is the address of the index, without a slash at its end. A
    quarantined project offers no file.
    """
    found: dict[str, Json] = {
        "info": _info(project, release, fields, base),
        "last_serial": serial(project),
        "urls": _files(project, release, base),
        "vulnerabilities": [],
    }
    if whole:
        found["releases"] = {each.version: _files(project, each, base) for each in project.releases if each.files}
    return found


def _rank(release: Release) -> tuple[bool, bool, Version]:
    version = Version(release.version)
    return not _is_yanked(release), not version.is_prerelease, version


def _is_yanked(release: Release) -> bool:
    return all(file.yanked is not None for file in release.files)


def _info(project: Project, release: Release, fields: RawMetadata, base: str) -> dict[str, Json]:
    page = f"{base}/simple/{project.name}/"
    yanked = _is_yanked(release)
    return {
        "author": fields.get("author"),
        "author_email": fields.get("author_email"),
        "bugtrack_url": None,
        "classifiers": [*fields.get("classifiers", [])],
        "description": fields.get("description"),
        "description_content_type": fields.get("description_content_type"),
        "docs_url": None,
        "download_url": fields.get("download_url"),
        "downloads": _NO_COUNT,
        "dynamic": _list(fields.get("dynamic")),
        "home_page": fields.get("home_page"),
        "keywords": _joined(fields.get("keywords")),
        "license": fields.get("license"),
        "license_expression": fields.get("license_expression"),
        "license_files": _list(fields.get("license_files")),
        "maintainer": fields.get("maintainer"),
        "maintainer_email": fields.get("maintainer_email"),
        "name": fields.get("name", project.name),
        "package_url": page,
        "platform": _joined(fields.get("platforms")),
        "project_url": page,
        "project_urls": {**fields["project_urls"]} if fields.get("project_urls") else None,
        "provides_extra": _list(fields.get("provides_extra")),
        "release_url": page,
        "requires_dist": _list(fields.get("requires_dist")),
        "requires_python": next((file.requires_python for file in release.files if file.requires_python), None),
        "summary": fields.get("summary"),
        "version": release.version,
        "yanked": yanked,
        "yanked_reason": next((file.yanked for file in release.files if file.yanked), None) if yanked else None,
    }


def _list(values: list[str] | None) -> Json:
    return [*values] if values else None


def _joined(values: list[str] | None) -> str | None:
    return ",".join(values) if values else None


def _files(project: Project, release: Release, base: str) -> list[Json]:
    return [] if project.status.marker == "quarantined" else [_file(file, base) for file in release.files]


def _file(file: File, base: str) -> dict[str, Json]:
    wheel = file.filename.endswith(".whl")
    return {
        "comment_text": None,
        "digests": {"sha256": file.sha256},
        "downloads": -1,
        "filename": file.filename,
        "has_sig": False,
        "md5_digest": None,
        "packagetype": "bdist_wheel" if wheel else "sdist",
        "python_version": file.filename.split("-")[-3] if wheel else "source",
        "requires_python": file.requires_python,
        "size": file.size,
        "upload_time": f"{file.upload_time:%Y-%m-%dT%H:%M:%S}",
        "upload_time_iso_8601": record.format_time(file.upload_time),
        "url": f"{base}/files/{file.sha256}/{quote(file.filename)}",
        "yanked": file.yanked is not None,
        "yanked_reason": file.yanked or None,
    }
