"""Where an index looks for names that it does not have, as `wharf.toml` says it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf.errors import StorageError
from wharf.index import name_globs, wharf_toml
from wharf.index.upstream_settings import Route, UpstreamSettings, normal_address

ROUTES = b"""format = 1
[upstream]
mode = "proxy"
url = "https://Mirror.Example.com:443/simple"
[upstreams.gpu]
url = "https://gpu.example.com/whl/"
[upstreams.wheels]
url = "/srv/wheels/"
[[route]]
names = ["Torch", "nvidia_*"]
from = ["this", "gpu"]
[[route]]
names = ["nvidia-own", "secret-*"]
from = []
[[route]]
names = ["lib?"]
from = ["wheels", "upstream"]
"""


def test_the_first_route_that_matches_says_where_a_name_is_looked_for() -> None:
    found = wharf_toml.parse(ROUTES).upstream
    assert found.mode == "proxy"
    assert found.sources("torch") == found.sources("nvidia-cublas") == found.sources("nvidia-own") == ("this", "gpu")
    assert found.sources("secret-x") == ()
    assert found.sources("liba") == ("wheels", "upstream")
    assert found.sources("requests") == found.sources("torchvision") == ("this", "upstream")


def test_an_index_without_such_settings_asks_no_upstream() -> None:
    found = wharf_toml.parse(wharf_toml.NEW).upstream
    assert (found.mode, found.url, found.others, found.sources("requests")) == (None, None, (), ("this", "upstream"))


def test_each_upstream_has_its_address_in_its_normal_form() -> None:
    found = wharf_toml.parse(ROUTES).upstream
    assert found.address("upstream") == "https://mirror.example.com/simple/"
    assert found.address("gpu") == "https://gpu.example.com/whl/"
    assert found.address("wheels") == "/srv/wheels"
    assert wharf_toml.parse(wharf_toml.NEW).upstream.address("upstream") is None, "the public index"
    for no_upstream in ("this", "other"):
        with pytest.raises(KeyError):
            found.address(no_upstream)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[upstream]\nmode = "on"', "upstream.mode"),
        ('[upstream]\nmdoe = "proxy"', "table of mode, url"),
        ('[upstream]\nurl = "https://bob:hunter2@example.com/"', "upstream.url"),
        ('[upstreams.this]\nurl = "https://a/"', "without the names this and upstream"),
        ("[upstreams.gpu]", "upstreams.gpu.url"),
        ('[[route]]\nnames = ["a"]\nfrom = ["gpu"]', r"route 1: from.*no \[upstreams.gpu\]"),
        ('[[route]]\nnames = ["a"]\nfrom = []\n[[route]]\nnames = []\nfrom = []', "route 2: names"),
        ('[[route]]\nnames = ["a"]\nfrom = ["\\u001b[2J"]', r"no \[upstreams.NAME\]"),
        ('[route]\nnames = ["a"]\nfrom = []', "route"),
    ],
)
def test_what_is_not_understood_is_named_and_never_guessed(text: str, named: str) -> None:
    with pytest.raises(StorageError, match=named) as caught:
        wharf_toml.parse(f"format = 1\n{text}\n".encode())
    assert "hunter2" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.slow
@given(st.lists(st.lists(st.from_regex(r"[a-z*?]{1,4}", fullmatch=True), min_size=1, max_size=3), max_size=4), st.data())
def test_any_routes_are_the_first_of_their_globs(names: list[list[str]], data: st.DataObject) -> None:
    settings = UpstreamSettings(routes=tuple(Route(tuple(globs), (str(at),)) for at, globs in enumerate(names)))
    name = data.draw(st.from_regex(r"[a-z]{1,4}", fullmatch=True))
    first = next((str(at) for at, globs in enumerate(names) if name_globs.matches(tuple(globs), name)), None)
    assert settings.sources(name) == (("this", "upstream") if first is None else (first,))


def test_routes_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [UpstreamSettings(routes=(Route((f"team{n}-*",), ()),)) for n in range(300)]
    assert {each.sources(f"team{n}-a") for n, each in enumerate(many)} == {()}
    monkeypatch.setattr(name_globs, "translate", None)
    assert {each.sources(f"team{n}-b") for n, each in enumerate(many)} == {()}


@given(st.text(alphabet=st.sampled_from("htps:/[]@.%0aA?#\\ \t"), max_size=20))
def test_the_normal_form_of_an_address_is_normal(text: str) -> None:
    found = normal_address(f"https://{text}")
    assert found is None or normal_address(found) == found
