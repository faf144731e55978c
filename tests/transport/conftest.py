"""A machine whose environment says nothing of proxies and certificates, and a certificate of localhost."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of localhost, signed by itself, and its key, in one file."""
    program = shutil.which("openssl")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("openssl is not installed (Debian: apt install openssl)")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost")
    names = ("-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE")
    key = path.with_name("key")
    subprocess.run(
        [program, "req", "-x509", *kind, *names, "-out", path, "-keyout", key],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    text = path.read_text()
    path.write_text(text + key.read_text())
    found = subprocess.run([program, "x509", "-hash", "-noout", "-in", path], check=True, capture_output=True, text=True)
    (path.parent / "folder").mkdir()
    (path.parent / "folder" / f"{found.stdout.strip()}.0").write_text(text)
    return path
