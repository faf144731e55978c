"""What the form of an upload says of its file is checked: name, version and digests must be those of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from wharf.distribution.file_names import Name, plain
from wharf.errors import InvalidDistributionError, NoRegistrationError, UsageError
from wharf.model import version_of
from wharf.server.web.spooled_file import DIGESTS
from wharf.server.web.upload_form import REMEDY

if TYPE_CHECKING:
    from packaging.version import Version

    from wharf.server.web.spooled_file import SpooledFile
    from wharf.server.web.upload_form import UploadForm

_REGISTERS = frozenset({"submit", "submit_pkg_info", "verify"})
"""What `twine register` and `setup.py register` ask for, and what the public index took until 2017."""


def check_form(form: UploadForm) -> tuple[SpooledFile, str, tuple[str, ...]]:
    """The file of a form, its name, and what there is to say of the form.

    Raises UsageError for a form that is not one of an upload, and InvalidDistributionError for one that says what is not so.
    """
    action, protocol = form.fields.get(":action", "file_upload"), form.fields.get("protocol_version", "1")
    if action in _REGISTERS:
        raise NoRegistrationError
    if action != "file_upload" or protocol != "1":
        raise UsageError(
            f"The server takes no such form (:action={action[:50]!r}, protocol_version={protocol[:50]!r}).",
            "An upload says :action=file_upload and protocol_version=1.",
        )
    content, filename = form.content, form.filename
    if content is None or not filename:
        raise UsageError("The upload has no file in its field `content`.", REMEDY)
    name = Name.parse(filename)
    _check_name(form, name.project, name.version)
    return content, filename, (*_dropped(form), *_check_digests(form, content, filename))


def _check_name(form: UploadForm, project: str, version: Version) -> None:
    """Name and version, where the form gives them, must be those of the file."""
    name, declared = form.fields.get("name"), form.fields.get("version")
    if name is not None and canonicalize_name(name) != project:
        raise InvalidDistributionError(f"The form says name={plain(name)!r}, the file is of {project}.", REMEDY)
    if declared is not None and (parsed := version_of(declared)) != version:
        why = "which is not a version" if parsed is None else f"the file is {version}"
        raise InvalidDistributionError(f"The form says version={plain(declared)!r}, {why}.", REMEDY)


def _dropped(form: UploadForm) -> list[str]:
    """What the uploader sent beside the file, and is not kept."""
    lines = {
        "gpg_signature": "The signature {!r} was dropped: signatures by GPG are not kept.",
        "attestations": "The attestations were dropped: they are not kept.",
    }
    return [lines.get(name, f"The field {name!r} was dropped.").format(filename) for name, filename in form.dropped.items()]


def _check_digests(form: UploadForm, file: SpooledFile, filename: str) -> list[str]:
    """Every digest that the form declares must be that of the bytes. One of another length says nothing: it is ignored."""
    declared = {field: value for field in DIGESTS if (value := form.fields.get(field))}
    digits = {field: DIGESTS[field][1] for field in declared}
    odd = {field for field, value in declared.items() if len(value) != digits[field]}
    for field, value in declared.items():
        if field not in odd and file.digest(field) != value.lower():
            raise InvalidDistributionError(
                f"{filename!r} arrived with another {field} than declared.", "Upload it again; it was damaged on the way."
            )
    return [f"{each} was ignored: it has {len(declared[each])} digits instead of {digits[each]}." for each in sorted(odd)]
