"""An upstream that is away or lies, a server that is killed, a disk that is full, caches that are shared, swapped or lost.

No wrong byte is ever served: what a client gets whole has the digest that the page says.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.server.running import soon
from tests.upstream import Fault

from .attacks import JSON, Site, ago, files, page, site
from .installers import Installer, installed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .programs import Machine

pytestmark = pytest.mark.real

LARGE = 8 << 20
CLIENTS = 8


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Site]:
    """A site whose upstream has an application of two wheels, and a large one."""
    with site(tmp_path / "own") as made:
        made.configure("")
        made.offer("app", "1.0", requires=["helper"])
        made.offer("helper", "1.0")
        made.upstream.cache_control = "max-age=0"
        yield made


@pytest.fixture
def large(own: Site) -> str:
    """The name of the large one."""
    data = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(LARGE // 32))
    return own.offer("large", "1.0", files={"data.bin": data})


def fetched(address: str) -> bytes | None:
    """What lies there, if it comes whole and has the digest that stands in its address; None if it does not come whole."""
    try:
        answer = httpx.get(address, timeout=60)
    except httpx.HTTPError:
        return None
    if answer.status_code != 200:
        return None
    assert hashlib.sha256(answer.content).hexdigest() in address
    return answer.content


def kept(own: Site, home: Path | None = None) -> list[Path]:
    """The files of the upstream that lie in the cache, each of them whole."""
    found = [path for path in own.cache(home).rglob("files/*") if path.is_file() and len(path.name) == 64]
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == path.name for path in found)
    return found


@pytest.mark.parametrize("name", ["pip", "uv"])
def test_warm_installs_go_on_without_the_upstream_before_and_after_a_restart(own: Site, machine: Machine, name: str) -> None:
    installer = Installer(name)
    with own.serving() as served:
        installer.install(machine, served.simple, "app")
        own.upstream.down()
        installer.install(machine, served.simple, "app")
        assert httpx.get(f"{served.simple}unseen/").status_code >= 500, "no 404, after which uv asks the next index"
    with own.serving() as served:
        installer.install(machine, served.simple, "app")
        assert httpx.get(f"{served.simple}unseen/").status_code >= 500
        own.upstream.up()
        soon(lambda: httpx.get(f"{served.simple}unseen/").status_code == 404, seconds=90)
    assert installed(machine) == {"app": "1.0", "helper": "1.0"}


def test_a_server_that_is_killed_in_a_cold_fetch_keeps_no_part_of_it(own: Site, large: str) -> None:
    own.upstream.faults[f"*/{large}"] = Fault(hold=LARGE // 2)
    with own.process() as (served, process):
        where = files(served.simple, "large")[large]
        with httpx.stream("GET", where, timeout=60) as answer:
            assert answer.status_code == 200
            parts = answer.iter_raw()
            assert next(parts)
            process.kill()
            with pytest.raises(httpx.HTTPError):
                list(parts)
    assert kept(own) == []
    own.upstream.release()
    with own.serving() as served:
        assert fetched(files(served.simple, "large")[large])
        soon(lambda: len(kept(own)) == 1)  # which is after the last byte was sent
        asked = len(own.upstream.asked)
        assert fetched(files(served.simple, "large")[large])
        assert [path for path in own.upstream.paths[asked:] if path.endswith(".whl")] == []


def test_a_server_that_is_killed_while_it_keeps_a_page_shows_the_right_one(own: Site) -> None:
    for number in range(20):
        own.offer("busy", f"1.{number}")
        with own.process() as (served, process), ThreadPoolExecutor(1) as pool:
            asking = pool.submit(page, served.simple, "busy")
            soon(lambda: own.upstream.names)
            process.kill()
            with contextlib.suppress(httpx.HTTPError):
                asking.result()
        own.upstream.asked.clear()
    with own.serving() as served:
        assert len(files(served.simple, "busy")) == 20


def test_a_full_disk_costs_no_byte(own: Site, large: str) -> None:
    if sys.platform != "linux" or not shutil.which("unshare"):
        pytest.skip("needs a file system of its own")
    cache = own.cache()
    cache.mkdir(parents=True)
    mounting = f'mount -t tmpfs -o size={LARGE // 4} tmpfs "{cache}" && exec "$@"'
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounting, "sh"]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    with own.serving(before=inside) as served:
        addresses = {**files(served.simple, "large"), **files(served.simple, "app")}
        for _ in range(2):
            got = fetched(addresses[large])
            assert got is None or len(got) > LARGE
            soon(lambda: fetched(addresses["app-1.0-py3-none-any.whl"]))


def test_two_servers_over_one_cache(own: Site, large: str) -> None:
    with own.serving() as one, own.serving() as other:
        addresses = [files(each.simple, "large")[large] for each in (one, other)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            got = list(pool.map(fetched, addresses * (CLIENTS // 2)))
            assert None not in got
            assert own.upstream.paths.count(f"/root/packages/{large}") <= 2
            again = list(pool.map(fetched, addresses * (CLIENTS // 2)))
            own.machine.wharf(own.store, "cache", "clear")
            assert None not in [*again, *pool.map(fetched, addresses)]
    kept(own)


def test_other_bytes_in_the_cache_are_not_served(own: Site, large: str) -> None:
    with own.serving() as served:
        addresses = {**files(served.simple, "large"), **files(served.simple, "app")}
        assert None not in map(fetched, addresses.values())
    found = [path for path in own.cache().rglob("*") if path.is_file() and "/upstream/" in str(path)]
    assert found
    for path in found:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    own.upstream.down()
    with own.serving() as served:
        for address in addresses.values():
            fetched(f"{served.url}{httpx.URL(address).path}")
    own.upstream.up()
    with own.serving() as served:
        again = {**files(served.simple, "large"), **files(served.simple, "app")}
        assert None not in map(fetched, again.values())


def test_a_cache_of_links_to_other_files_gives_nothing_of_these(own: Site, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    with own.serving() as served:
        addresses = files(served.simple, "app")
        assert None not in map(fetched, addresses.values())
    for path in [path for path in own.cache().rglob("*") if path.is_file() and "/upstream/" in str(path)]:
        path.unlink()
        path.symlink_to(secret)
    with own.serving() as served:
        assert None not in map(fetched, files(served.simple, "app").values())
        assert b"a secret" not in httpx.get(f"{served.simple}app/").content
    assert secret.read_text() == "a secret"


def test_a_cache_that_others_may_write_to_is_not_believed(own: Site) -> None:
    with own.serving() as served:
        (address,) = files(served.simple, "app").values()
        assert fetched(address)
    for path in own.cache().rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)
        if path.is_file() and "/pages/" in str(path):
            path.write_bytes(path.read_bytes().replace(b"1.0-py3", b"6.6-py3"))
    with own.process() as (served, _):
        answer = httpx.get(f"{served.simple}app/", headers={"Accept": JSON})
        assert "6.6-py3" not in answer.text


def test_two_replicas_agree_but_for_what_only_one_has_seen_grow(own: Site, tmp_path: Path) -> None:
    own.configure('[policy]\ncooldown = "7d"')
    own.offer("lib", "1.0", upload_time=ago(days=400))
    own.offer("lib", "3.0", upload_time=ago(days=1))
    with own.serving(home=tmp_path / "one") as one, own.serving(home=tmp_path / "two") as two:
        assert page(one.simple, "lib") == page(two.simple, "lib")
        assert page(one.simple, "app")["files"] == page(two.simple, "app")["files"]
    own.offer("lib", "2.0", upload_time=ago(days=300))
    with own.serving(home=tmp_path / "one") as one, own.serving(home=tmp_path / "three") as three:
        assert list(files(one.simple, "lib")) == ["lib-1.0-py3-none-any.whl"]
        assert list(files(three.simple, "lib")) == ["lib-1.0-py3-none-any.whl", "lib-2.0-py3-none-any.whl"]
        hidden = files(three.simple, "lib")["lib-2.0-py3-none-any.whl"]
        assert httpx.get(f"{one.url}{httpx.URL(hidden).path}").status_code == 403


@pytest.mark.parametrize("name", ["pip", "uv"])
@pytest.mark.parametrize(
    "fault",
    [Fault(body=b"x" * 1000), Fault(cut=100), Fault(status=500), Fault(location="http://localhost:1/"), Fault(endless=True)],
)
def test_a_file_that_is_not_what_the_page_says_is_not_installed_and_not_kept(
    own: Site, machine: Machine, name: str, fault: Fault
) -> None:
    own.upstream.faults["*/helper-1.0-py3-none-any.whl"] = fault
    with own.serving() as served:
        Installer(name).install(machine, served.simple, "app", fails=True)
        assert installed(machine) == {}
        (where,) = files(served.simple, "helper").values()
        assert fetched(where) is None
        assert len(kept(own)) <= 1
        own.upstream.faults.clear()
        Installer(name).install(machine, served.simple, "app")
    assert installed(machine) == {"app": "1.0", "helper": "1.0"}
