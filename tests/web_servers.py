"""Web servers of others, in the foreground, with the configurations that docs/static-site.md shows."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOCS = Path(__file__).parents[1] / "docs" / "static-site.md"
_PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_START = 60  # seconds
_ROOT = "/var/www/packages"
_NAME = "packages.example.org"


@dataclass(frozen=True, slots=True)
class Login:
    """Who may read a private index, with the digest of the password as `htpasswd -B` writes it."""

    user: str
    digest: str


def blocks(language: str) -> list[str]:
    """The configurations in that language, as they stand in the documentation."""
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCS.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def program(name: str) -> str:
    """The path of a server's program. Its absence is a failure: these are the tests' own tools."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:{_PROGRAMS}")
    assert found, f"{name} is not installed (Debian: apt install --no-install-recommends {name})"
    return found


@contextmanager
def serving(kind: str, site: Path, login: Login | None = None, *, shared: bool = False) -> Iterator[str]:
    """The address of a server of that kind (nginx, caddy, apache) that serves the site as the documentation says.

    `shared`: web pages of another site may read it.

    It runs in the foreground, as this person; started by root, Apache gives up that right, so it gets a place that all may
    enter and a copy of the site there.
    """
    with _place(kind) as (place, port):
        root = place / "site"
        shutil.copytree(site, root)
        with _running(_KINDS[kind](place, root, port, login, shared), place, port) as address:
            yield address


@contextmanager
def nginx(locations: str, certificate: Path | None = None) -> Iterator[str]:
    """The address of an nginx with these locations; with a certificate and its key in one file, it speaks HTTPS."""
    tls = "" if certificate is None else f"ssl_certificate {certificate};\nssl_certificate_key {certificate};\n"
    with _place("nginx") as (place, port):
        config = f"server {{\nlisten 127.0.0.1:{port}{' ssl' if tls else ''};\n{tls}{locations}\n}}"
        with _running(_nginx_with(config, place), place, port) as address:
            yield f"https://localhost:{port}" if tls else address


@contextmanager
def _place(kind: str) -> Iterator[tuple[Path, int]]:
    """A folder and a free port for a server."""
    with tempfile.TemporaryDirectory(prefix=f"wharf-{kind}-") as name:
        Path(name).chmod(0o755)
        yield Path(name), free_port()


@contextmanager
def _running(command: list[str], place: Path, port: int) -> Iterator[str]:
    """The address of that server, once it takes connections."""
    with (place / "log").open("w+", encoding="utf-8") as log:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(place),
            "XDG_DATA_HOME": str(place),
            "XDG_CONFIG_HOME": str(place),
        }
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, cwd=place)
        try:
            _wait(process, port, log.name)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_START)
            finally:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: str) -> None:
    """Until it takes connections."""
    end = time.monotonic() + _START
    while time.monotonic() < end:
        assert process.poll() is None, Path(log).read_text(encoding="utf-8")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    raise AssertionError(Path(log).read_text(encoding="utf-8"))


def _put(text: str, old: str, new: str) -> str:
    """The text with one thing replaced that is there exactly as often as it must be for the test to be about the docs."""
    assert old in text, f"{old!r} is not in the configuration"
    return text.replace(old, new)


def _nginx(place: Path, root: Path, port: int, login: Login | None, shared: bool) -> list[str]:
    config, private, cors = blocks("nginx")[-3:]
    config = _put(_put(config, "listen 80;", f"listen 127.0.0.1:{port};"), _ROOT, str(root))
    if login:
        (place / "htpasswd").write_text(f"{login.user}:{login.digest}\n", encoding="utf-8")
        config = _put(config, "    # login\n", _put(private, "/etc/nginx/packages.htpasswd", str(place / "htpasswd")))
    if shared:
        config = _put(config, "        # cors\n", cors)
    return _nginx_with(config, place)


def _nginx_with(config: str, place: Path) -> list[str]:
    user = "user root;" if os.getuid() == 0 else ""
    temporary = "".join(f"{each}_temp_path {place}/{each};" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (place / "nginx.conf").write_text(
        f"{user} daemon off; master_process off; pid {place}/pid; error_log stderr;\n"
        f"events {{}}\nhttp {{ include /etc/nginx/mime.types; access_log off; {temporary}\n{config}\n}}\n",
        encoding="utf-8",
    )
    return [program("nginx"), "-p", str(place), "-c", str(place / "nginx.conf"), "-e", "stderr"]


def _caddy(place: Path, root: Path, port: int, login: Login | None, shared: bool) -> list[str]:
    config, private, cors = blocks("caddyfile")[-3:]
    config = _put(_put(config, f"{_NAME} {{", f"http://127.0.0.1:{port} {{"), _ROOT, str(root))
    if login:
        private = _put(private, "ada $2a$14$HASH", f"{login.user} {login.digest.replace('$2y$', '$2a$')}")
        config = _put(config, "\t# login\n", private)
    if shared:
        config = _put(config, "\t# cors\n", cors)
    (place / "Caddyfile").write_text(f"{{\n\tadmin off\n\tauto_https off\n}}\n{config}", encoding="utf-8")
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(place / "Caddyfile")]


def _apache(place: Path, root: Path, port: int, login: Login | None, shared: bool) -> list[str]:
    config, private, cors = blocks("apache")[-3:]
    config = _put(_put(config, "*:80", f"127.0.0.1:{port}"), _ROOT, str(root))
    if login:
        (place / "htpasswd").write_text(f"{login.user}:{login.digest}\n", encoding="utf-8")
        config = _put(config, "        # login\n", _put(private, "/etc/apache2/packages.htpasswd", str(place / "htpasswd")))
        config = _put(config, "        Require all granted\n", "")
    if shared:
        config = _put(config, "    # cors\n", cors)
    names = ("mpm_event", "authz_core", "authz_user", "authn_core", "authn_file", "auth_basic", "negotiation", "headers")
    modules = [*names, "deflate", "filter", "mime", "dir", "alias", "autoindex"]
    lines = [f"LoadModule {each}_module /usr/lib/apache2/modules/mod_{each}.so" for each in modules]
    lines += [
        f"ServerRoot {place}",
        f"PidFile {place}/pid",
        f"Mutex file:{place}",
        f"Listen 127.0.0.1:{port}",
        "ErrorLog /dev/stderr",
    ]
    lines += [
        "ServerName localhost",
        "TypesConfig /etc/mime.types",
        "<Directory />\nRequire all denied\nOptions Indexes\nAllowOverride All\n</Directory>",
    ]  # as bad as it gets
    lines.append("AddEncoding x-gzip .gz")  # as some distributions have it: it makes an sdist look compressed twice
    if os.getuid() == 0:
        lines.append("User www-data\nGroup www-data")
    (place / "apache.conf").write_text("\n".join([*lines, config]), encoding="utf-8")
    return [program("apache2"), "-f", str(place / "apache.conf"), "-D", "FOREGROUND"]


_KINDS: dict[str, Callable[[Path, Path, int, Login | None, bool], list[str]]] = {
    "nginx": _nginx,
    "caddy": _caddy,
    "apache": _apache,
}
KINDS = tuple(_KINDS)
