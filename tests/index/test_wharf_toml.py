"""What an index says about itself, in `wharf.toml` on its branch."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf.errors import StorageError
from wharf.index import name_globs, wharf_toml
from wharf.index.policy import Policy
from wharf.index.wharf_toml import KNOWN, NEW, NEW_WITH_METADATA_ASSETS, IndexSettings, UploadRule, parse, with_metadata_assets


def test_a_new_index_says_nothing_but_its_format() -> None:
    assert parse(NEW) == IndexSettings() == parse(b"format = 1\nunknown = 5\n")


@pytest.mark.parametrize(
    "wrong",
    [
        *(b"format = 2", b"format = '1'", b"", b"format =", b"\xff"),
        *(b"format = 1\nmetadata-assets = 'yes'", b"format = 1\nmetadata-assets = 1"),
        *(b"format = 1\nreserved = 'acme-*'", b"format = 1\nreserved = ['a b']", b"format = 1\nreserved = [1]"),
        b"format = 1\nreserved = ['" + b"a" * 300 + b"']",
        *(b"format = true", b"format = 1.0", b"format = 1\nx = " + b"[" * 5000, b"format = 1\nx = " + b"9" * 5000),
        b"format = 1\n# " + b"x" * (64 << 10),
        *(b"format = 1\nbases = 'main'", b"format = 1\nbases = ['Main']", b"format = 1\nbases = ['simple']"),
        *(b"format = 1\nbases = ['a', 'a']", b"format = 1\nbases = " + repr([f"b{n}" for n in range(17)]).encode()),
        *(b"format = 1\nshadow = ['a b']", b"format = 1\nupload = ['alice']", b"format = 1\n[upload]\nacme = 'alice'"),
        *(b"format = 1\n[upload]\nacme = ['two words']", b"format = 1\n[upload]\nacme = ['@acme']"),
        *(b"format = 1\n[upload]\nacme = ['repo:acme']", b"format = 1\n[upload]\n'a b' = ['alice']"),
        b"format = 1\n[upload]\nacme = " + repr(["alice"] * 101).encode(),
    ],
)
def test_what_is_not_understood_is_never_guessed(wrong: bytes) -> None:
    with pytest.raises(StorageError, match=wharf_toml.PATH) as caught:
        parse(wrong)
    assert caught.value.hint


def test_what_wharf_writes_is_known_by_the_id_that_git_gives_it() -> None:
    for blob, data in KNOWN.items():
        found = subprocess.run(["git", "hash-object", "--stdin"], input=data, capture_output=True, check=True).stdout
        assert found.decode().strip() == blob


def test_metadata_assets_can_be_turned_on_and_the_rest_of_the_file_stays() -> None:
    assert with_metadata_assets(NEW) == NEW_WITH_METADATA_ASSETS
    assert parse(NEW_WITH_METADATA_ASSETS).metadata_assets
    mine = b"format = 1  # ours\nmetadata-assets = false\nother = 'kept'\n\n[table]\nx = 1\n"
    assert with_metadata_assets(mine) == mine.replace(b"false", b"true")
    assert with_metadata_assets(b"format = 1\n\n[table]\nx = 1\n").startswith(b"format = 1\nmetadata-assets = true\n")


@pytest.mark.parametrize(
    ("globs", "name", "is_reserved"),
    [
        (["acme-*"], "acme-tools", True),
        (["Acme_*"], "acme-tools", True),
        (["acme-*"], "acme", False),
        (["acme", "other*"], "other-thing", True),
        (["acme"], "acme-tools", False),
        (["lib?"], "liba", True),
        (["lib[ab]"], "libc", False),
        ([], "acme", False),
    ],
)
def test_reserved_names(globs: list[str], name: str, is_reserved: bool) -> None:
    found = parse(f"format = 1\nreserved = {globs!r}\n".encode())
    assert found.reserves(name) is is_reserved


@pytest.mark.slow
@given(st.lists(st.from_regex(r"[A-Za-z0-9._*?\[\]!-]{1,20}", fullmatch=True), max_size=5), st.from_regex(r"[a-z0-9-]{1,20}"))
def test_no_glob_breaks_the_question(globs: list[str], name: str) -> None:
    settings = IndexSettings(reserved=tuple(globs))
    if name in globs and not set(name) & set("[]!*?") and "--" not in name:
        assert settings.reserves(name)
    else:
        assert settings.reserves(name) in {True, False}


def test_the_first_rule_that_matches_says_who_may_publish() -> None:
    found = parse(b"""format = 1
[upload]
"acme-core" = []
"Acme_*" = ["@acme/platform", "alice", "repo:acme/build", "bot[bot]"]
""")
    assert found.uploaders("acme-core") == ()
    assert found.uploaders("acme-tools") == ("@acme/platform", "alice", "repo:acme/build", "bot[bot]")
    assert found.uploaders("other") is None


def test_globs_are_compiled_once_for_each_value_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [
        IndexSettings(
            reserved=(f"team{n}-*",), shadow=(f"own{n}-*",), upload=(UploadRule(f"x{n}", ()), UploadRule(f"x{n}*", ("alice",)))
        )
        for n in range(300)
    ]
    rules = IndexSettings(upload=tuple(UploadRule(f"team{n}-*", (f"user{n}",)) for n in range(300)))

    def ask(n: int) -> list[object]:
        found = (many[n].reserves(f"team{n}-a"), many[n].shadows(f"own{n}-a"), many[n].uploaders(f"x{n}"))
        return [*found, many[n].uploaders(f"x{n}y"), many[n].uploaders("y"), rules.uploaders(f"team{n}-a")]

    expected = [[True, True, (), ("alice",), None, (f"user{n}",)] for n in range(300)]
    assert [ask(n) for n in range(300)] == expected
    monkeypatch.setattr(name_globs, "translate", None)
    assert [ask(n) for n in range(300)] == expected


def test_bases_and_names_that_are_not_looked_for_in_them() -> None:
    found = parse(b"format = 1\nbases = ['main', 'gpu']\nshadow = ['acme-*']\n")
    assert found.bases == ("main", "gpu")
    assert (found.shadows("acme-x"), found.shadows("other")) == (True, False)


def test_changes_of_rights_are_named() -> None:
    after = b"format = 1\nbases = ['main']\nmetadata-assets = true\n[upload]\nacme = []\n[policy]\ndeny = ['x']\n"
    assert wharf_toml.changed_rights(NEW, after) == ["bases", "upload", "policy"]
    assert wharf_toml.unknown_keys(b"format = 1\nreservd = []\n[policy]\n") == ["reservd"]
    rules = (b"'acme-*' = []\n", b"'*' = ['alice']\n")
    one, other = (NEW + b"[upload]\n" + b"".join(each) for each in (rules, rules[::-1]))
    assert wharf_toml.changed_rights(one, other) == ["upload"]
    assert wharf_toml.changed_rights(one, b"[upload]\n" + b"# said otherwise\n".join(rules)) == []


def test_a_policy_is_read_and_a_redirect_cannot_keep_one() -> None:
    text = "format = 1\n[policy]\ndeny = ['x']\n[upstream]\nmode = '{}'\n"
    assert parse(NEW).policy is None
    assert parse(text.format("proxy").encode()).policy == Policy(deny=("x",))
    with pytest.raises(StorageError, match=r"'upstream.mode' .* a redirect cannot keep"):
        parse(text.format("redirect").encode())
