"""Core metadata (PEP 566, 643 and their elders), as far as an index depends on it."""

from __future__ import annotations

import email.errors
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from packaging.metadata import InvalidMetadata, Metadata, RawMetadata, parse_email
from packaging.utils import canonicalize_name

from wharf.distribution import requirements
from wharf.distribution.file_names import REBUILD, Name, invalid, plain, sdist_hint
from wharf.errors import TooLargeError
from wharf.model import same_version

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.errors import InvalidDistributionError

MAX_FIELDS = 100
"""Different field names in one file; the standard has some 35. The parser's time grows with their square."""

MAX_LINES = 20_000
"""Header lines in one file, folded ones included."""

MAX_VALUE = 16_384
"""Characters of one value that is parsed: a requirement, a version. The longest in use have some hundred."""

MAX_WARNINGS = 20

_MIME = frozenset({b"content-type", b"content-transfer-encoding"})
"""Fields of e-mail, none of metadata; they would make the email parser look for parts, on which packaging 25.0 stumbles."""

_FIELD = re.compile(rb"([!-9;-~]+):")
_PLAIN_FIELDS = re.compile(rb"(?:(?!(?i:content-t))[A-Za-z][A-Za-z-]*:[ \t]*[!-~](?:[ -~]*[!-~])?\n)*\n")
_LISTED = re.compile(rb"(?im)^(requires-dist|classifier|provides-extra):[ \t]*([!-~](?:[ -~]*[!-~])?)\n(?![ \t])")
_LISTS: Final = {b"requires-dist": "requires_dist", b"classifier": "classifiers", b"provides-extra": "provides_extra"}
_REQUIREMENT = re.compile(rb"(?im)^requires-dist:[ \t]*(.+)$")
_KNOWN = 16  # of which it is remembered what was found in them
_PLAIN_BYTES = 64 << 10
_VERSION = re.compile(r"([12])(?:\.(\d{1,3}))?(?:\.\d{1,3})?", re.ASCII)
_PLAIN_VERSION = re.compile(r"\d\.\d{1,3}", re.ASCII)
_CORRECT = "Correct the project's metadata and rebuild it with `python -m build`."
_NEEDED = ("metadata-version", "name", "version", "requires-python", "requires-dist", "provides-extra", "dynamic")
_RESOLVED = frozenset({"requires-python", "requires-dist", "provides-extra"})
_OURS = frozenset({"requires-python", "requires-dist", "provides-extra"})
"""The fields whose faults are told here, with what installers make of them."""
_PLAIN_TYPES = frozenset({"text/markdown", "text/plain", "text/x-rst"})
"""Of descriptions. For these, to parse a header of e-mail would take a tenth of a check."""
_LARGE = 1 << 20  # bytes of a METADATA that are worth a warning
_GARBAGE = (ValueError, RecursionError, email.errors.MessageError)
"""What packaging raises on hostile values: its own errors are ValueErrors, and its parser of markers recurses."""


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """What the other checks need to know about a METADATA or PKG-INFO.

    `version` is that of the format, as (major, minor); `dynamic` holds the names of the fields that a build may still change,
    in lower case (PEP 643). `requires_python` is fit for an index: repaired where it has one meaning, otherwise None. `odd`
    says that one of the fields that installers resolve by follows no standard.
    """

    version: tuple[int, int]
    requires_python: str | None
    odd: bool
    dynamic: frozenset[str]
    utf8: bool
    warnings: tuple[str, ...]

    @property
    def is_final(self) -> bool:
        """Whether the wheels built from this sdist have the same requirements (PEP 643): then a resolver may rely on them."""
        return self.utf8 and not self.odd and self.version >= (2, 2) and not self.dynamic & _RESOLVED


class _Known:
    """What was found in the last core metadata in which nothing was wrong. All wheels of a release often have the same."""

    def __init__(self) -> None:
        self._found: OrderedDict[object, CoreMetadata] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, data: bytes, name: Name, member: str) -> CoreMetadata | None:
        """What was found in the same core metadata of a file of the same project and version."""
        return self._found.get(self._key(data, name, member))

    def keep(self, data: bytes, name: Name, member: str, found: CoreMetadata) -> None:
        """Remember it, unless it is large, or its warnings may name the file."""
        if len(data) <= _PLAIN_BYTES and not found.warnings:
            with self._lock:
                self._found[self._key(data, name, member)] = found
                if len(self._found) > _KNOWN:
                    self._found.popitem(last=False)

    @staticmethod
    def _key(data: bytes, name: Name, member: str) -> object:
        return data, name.kind, name.project, str(name.version), member


_known: Final = _Known()


def parse(data: bytes, filename: str, name: Name, member: str) -> CoreMetadata:
    """Check the core metadata `data`, which stands in `member` of `filename`, against the file name.

    Raises InvalidDistributionError if it contradicts the file name or if a field is invalid that installers resolve by;
    whatever else is wrong becomes a warning. Bytes that are not UTF-8 are refused in a wheel, as pip refuses to install it, and
    cost an sdist its announcement.
    """
    found = _known.get(data, name, member)
    if found is None:
        found = _parsed(data, filename, name, member)
        _known.keep(data, name, member, found)
    return found


def _parsed(data: bytes, filename: str, name: Name, member: str) -> CoreMetadata:
    head, warnings = header(data, filename, member)
    utf8 = is_utf8(data)
    if not utf8:
        if name.kind == "wheel":
            raise invalid(filename, f"{member} is not in UTF-8", _CORRECT)
        warnings.append(f"{member} is not in UTF-8.")
    try:
        raw, unparsed = read_fields(head)
    except _GARBAGE as error:
        raise invalid(filename, f"{member} cannot be read: {plain(str(error))}", _CORRECT) from error
    for field in _NEEDED:
        if field in unparsed:
            cause = "is there more than once" if len(unparsed[field]) > 1 else "is not in UTF-8"
            raise invalid(filename, f"the field {field.title()} in {member} {cause}", _CORRECT)
    version = _check_fields(raw, filename, name, member)
    fields = _Fields(raw, filename, member)
    requires_python = fields.requires_python()
    odd = fields.odd_ones(data)
    warnings += odd
    warnings += [f"{member} has an unknown or unreadable field {plain(field)!r}." for field in sorted(unparsed)]
    warnings += _complaints(raw, member, version)
    return CoreMetadata(
        version=version,
        requires_python=requires_python,
        odd=bool(odd),
        dynamic=frozenset(field.strip().lower() for field in raw.get("dynamic", [])),
        utf8=utf8,
        warnings=tuple(warnings[:MAX_WARNINGS]),
    )


def requires_dist(data: bytes, filename: str) -> list[str]:
    """The Requires-Dist of kept core metadata, as they stand there, each one once.

    Raises InvalidDistributionError for what cannot be read.
    """
    plainly = _plain_requires_dist(data)
    if plainly is not None:
        return plainly
    head, _ = header(data, filename, "core metadata")
    try:
        raw, _ = read_fields(head)
    except _GARBAGE as error:
        raise invalid(filename, f"its core metadata cannot be read: {plain(str(error))}", _CORRECT) from error
    return list(dict.fromkeys(raw.get("requires_dist", [])))


def _plain_requires_dist(data: bytes) -> list[str] | None:
    """The same without a parser, which takes a hundred times longer; None where it is not plain what the parser would read."""
    found = _PLAIN_FIELDS.match(data, 0, _PLAIN_BYTES)
    if found is None or not found[0].isascii():
        return None
    return [each.decode() for each in dict.fromkeys(_REQUIREMENT.findall(found[0]))]


def header(data: bytes, filename: str, member: str) -> tuple[bytes, list[str]]:
    """The fields of `data` without the text behind them, and a warning if they do not end in an empty line.

    The text is cut off because it is not needed and because the email parser would look for parts inside it, nested ones too.
    Raises TooLargeError for more fields than a parser should be given.
    """
    kept: list[bytes] = []
    fields: set[bytes] = set()
    warnings: list[str] = []
    field = b""
    for number, line in enumerate(_lines(data), start=1):
        if not line:
            break
        if not (field and line[:1] in b" \t"):
            match = _FIELD.match(line)
            if match is None:
                warnings.append(f"Line {number} of {member} is not a field; what follows it is not read as metadata.")
                break
            field = match[1].lower()
            fields.add(field)
            if field in _MIME:
                warnings.append(f"{member} has a field {field.decode()!r}, which is not a field of metadata.")
        if field not in _MIME:
            kept.append(line)
        if len(fields) > MAX_FIELDS or number > MAX_LINES:
            cause = f"{member} has more than {MAX_FIELDS} different fields or {MAX_LINES} lines of them"
            raise TooLargeError(f"{plain(filename)}: {cause}", _CORRECT)
    return b"\n".join(kept) + b"\n\n", warnings


def read_fields(head: bytes) -> tuple[RawMetadata, dict[str, list[str]]]:
    """What the parser reads in a `header`, and what it cannot read. Most lines are of lists, and plain: it is spared those.

    Raises what the parser raises (`_GARBAGE`).
    """
    lists: dict[str, list[str]] = {}
    for field, value in _LISTED.findall(head):
        lists.setdefault(_LISTS[field.lower()], []).append(value.decode())
    raw, unparsed = parse_email(_LISTED.sub(b"", head))
    if not lists.keys().isdisjoint(raw) or not unparsed.keys().isdisjoint({each.decode() for each in _LISTS}):
        return parse_email(head)  # others of their lines are not plain, and order counts
    raw.update(lists)  # type: ignore[typeddict-item]  # mypy does not see which lists these are
    return raw, unparsed


def _lines(data: bytes) -> Iterator[bytes]:
    # Decided by the bytes, as str.splitlines also splits at characters that the email parser does not split at.
    return iter(data.splitlines())


def is_utf8(data: bytes) -> bool:
    """Whether the bytes are UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _check_fields(raw: RawMetadata, filename: str, name: Name, member: str) -> tuple[int, int]:
    """Check the fields that installers resolve by; the version of the format."""
    values = [raw.get("metadata_version", ""), raw.get("name", ""), raw.get("version", ""), raw.get("requires_python", "")]
    # The last two are only worth a warning, but to parse them takes time that grows with the square of their length.
    values += [*raw.get("requires_dist", []), *raw.get("provides_extra", [])]
    values += [raw.get("description_content_type", ""), raw.get("license_expression", "")]
    if any(len(value) > MAX_VALUE for value in values):
        raise TooLargeError(f"{plain(filename)}: a field in {member} is longer than {MAX_VALUE} characters", _CORRECT)
    match = _VERSION.fullmatch(values[0].strip())
    if match is None:
        cause = f"Metadata-Version in {member} is {plain(values[0])!r}, not 1.x or 2.x"
        raise invalid(filename, cause, _CORRECT)
    try:
        given = Metadata.from_raw(raw, validate=False)
        project, version = given.name, str(given.version)
    except _GARBAGE as error:
        raise invalid(filename, f"{member} is not valid: {plain(_sentence(error))}", _CORRECT) from error
    if canonicalize_name(project) != name.project:
        cause = f"{member} names the project {project!r}, the file name {name.project!r}"
        raise invalid(filename, cause, sdist_hint(project, version, name.suffix) if name.kind == "sdist" else REBUILD)
    if not same_version(version, str(name.version)):
        raise invalid(filename, f"{member} says version {version!r}, the file name {str(name.version)!r}")
    return int(match[1]), int(match[2] or 0)


class _Fields:
    """The fields that installers resolve by, each as the standards want it, or as a current installer takes it."""

    def __init__(self, raw: RawMetadata, filename: str, member: str) -> None:
        self._raw = raw
        self._filename = filename
        self._member = member
        self._odd: list[str] = []

    def requires_python(self) -> str | None:
        """The Requires-Python for an index. Raises InvalidDistributionError for what does not look like one."""
        text = " ".join(self._raw.get("requires_python", "").split())
        if not text or requirements.is_plain(text):
            return text or None
        odd = requirements.odd_specifier(text)
        if odd is None:
            raise self._refuse("requires-python", text)
        reads = "cannot install it" if odd.by_uv is None else f"reads {plain(odd.by_uv)!r}"
        says = "leaves it out" if odd.meaning is None else f"says {plain(odd.meaning)!r}"
        self._note("Requires-Python", text, f"not a specifier. pip ignores it, uv {reads}, and the index {says}")
        return odd.meaning

    def odd_ones(self, data: bytes) -> list[str]:
        """Warnings about all that follows no standard. Raises InvalidDistributionError for what no installer takes."""
        version = self._raw.get("metadata_version", "")
        if not _PLAIN_VERSION.fullmatch(version):
            self._note(
                "Metadata-Version", version, "not a version of metadata. pip installs it; uv installs a wheel, and no sdist"
            )
        for text in self._raw.get("requires_dist", []):
            repaired = requirements.requirement(text)
            if repaired is None:
                raise self._refuse("requires-dist", text)
            if repaired != text:
                self._note("Requires-Dist", text, f"not a requirement. pip cannot install it; uv reads {plain(repaired)!r}")
        for text in self._raw.get("provides_extra", []):
            if not requirements.is_extra(text):
                self._note(
                    "Provides-Extra", text, "not the name of an extra. pip and uv install it, but nobody can ask for that extra"
                )
        if len(data) > _LARGE:
            size = f"{len(data) / _LARGE:.1f} MiB"
            self._odd.append(f"{self._member} has {size}. pip and uv install it, and fetch all of that to resolve.")
        return self._odd

    def _note(self, field: str, text: str, what: str) -> None:
        self._odd.append(f"{field} in {self._member} is {plain(text)!r}, which is {what}.")

    def _refuse(self, field: str, text: str) -> InvalidDistributionError:
        return invalid(self._filename, f"{self._member} is not valid: {plain(text)!r} is invalid for {field!r}", _CORRECT)


def _complaints(raw: RawMetadata, member: str, version: tuple[int, int]) -> list[str]:
    """Other faults: fields newer than the version of the format, other invalid values. Sorted."""
    others = raw.copy()  # our fields are checked, and to parse them again would be half of the work
    others.pop("requires_python", None)
    others.pop("requires_dist", None)
    others.pop("provides_extra", None)
    if others.get("description_content_type") in _PLAIN_TYPES and version >= (2, 1):  # before that, there was no such field
        del others["description_content_type"]
    try:
        Metadata.from_raw(others, validate=True)
    except ExceptionGroup as group:
        ours = _OURS if _PLAIN_VERSION.fullmatch(raw.get("metadata_version", "")) else _OURS | {"metadata-version"}
        told = [each for each in group.exceptions if not (isinstance(each, InvalidMetadata) and each.field in ours)]
        return sorted(f"{member}: {plain(_sentence(each))}." for each in told)
    except _GARBAGE as error:
        return [f"{member}: {plain(_sentence(error))}."]
    return []


def _sentence(error: Exception) -> str:
    """The text of `error` with that of its cause, if that says more."""
    cause = error.__cause__
    return str(error) if cause is None or str(cause) in str(error) else f"{error}: {' '.join(str(cause).split())}"
