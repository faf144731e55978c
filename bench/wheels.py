"""Small valid wheels, and core metadata as long as that of real projects."""

from __future__ import annotations

import base64
import hashlib
import random
import secrets
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_WORDS = ("the", "package", "index", "wheel", "that", "serves", "reads", "writes", "files", "with", "commit", "release")


def core_metadata(name: str, version: str, size: int = 2500) -> bytes:
    """Core metadata 2.1 of about `size` bytes, another text for every project."""
    source = random.Random(f"{name} {version}")
    head = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: A package to measure with"]
    head += [f"Classifier: Programming Language :: Python :: 3.{minor}" for minor in range(9, 14)]
    head += [f"Requires-Dist: {source.choice(_WORDS)}-{number}>={number}.0" for number in range(8)]
    lines = ["Requires-Python: >=3.9", "Description-Content-Type: text/markdown", ""]
    while sum(map(len, lines)) + 500 < size:
        lines.append(" ".join(source.choices(_WORDS, k=12)))
    return "\n".join([*head, *lines, ""]).encode()


def make_wheel(folder: Path, name: str, version: str = "1.0", content: bytes = b"answer = 42\n") -> Path:
    """A wheel of one module that holds `content`, uncompressed if that is longer than a megabyte."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    members = {
        f"{module}/__init__.py" if len(content) < 1 << 20 else f"{module}/data.bin": content,
        f"{info}/METADATA": core_metadata(name, version),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},sha256={_digest(data)},{len(data)}" for path, data in members.items()]
    members[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED if len(content) >= 1 << 20 else zipfile.ZIP_DEFLATED) as wheel:
        for each, data in members.items():
            wheel.writestr(each, data)
    return path


def make_wheels(folder: Path, projects: int, versions: int = 1) -> list[Path]:
    """Wheels of projects that no earlier call named."""
    mark = secrets.token_hex(4)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        make_wheel(folder, f"p{project:04}-{mark}", f"1.{version}")
        for project in range(projects)
        for version in range(versions)
    ]


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
