"""TOML with keys of very many parts is refused before the parser, whose time grows with the square of their length."""

from __future__ import annotations

import tomllib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.growth import is_linear
from wharf.errors import StorageError
from wharf.index import wharf_toml
from wharf.text_formats import toml_and_json
from wharf.text_formats.toml_and_json import MOST_PARTS

MANY = 15_000
HOSTILE = {
    "a key": "a." * MANY + "a = 1",
    "a table": "[" + "a." * MANY + "a]",
    "a list of tables": "[[" + "a." * MANY + "a]]",
    "a key in a table": "x = [1, {b = 1, " + "a." * MANY + "a = 1}]",
    "quotes": "\"a\".'b'." * (MANY // 2) + "a = 1",
    "quotes in quotes": '"\'".' * MANY + "a = 1",
    "blanks": "a . " * MANY + "a = 1",
    "tabs": "a\t.\t" * MANY + "a = 1",
    "marks of comments": '"#".' * MANY + "a = 1",
    "a string before": 'x = """a" "" \\""""""\ny = \'\'\'\'it\'s\'\'\'\'\'\n' + "a." * MANY + "a = 1",
    "a comment before": "# it's\n" + "a." * MANY + "a = 1",
    "no end": "a." * MANY,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_key_of_very_many_parts_is_refused_before_the_parser_sees_it(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tomllib, "loads", _parses)
    with pytest.raises(ValueError, match="a key of more than 16 parts"):
        toml_and_json.toml(text)
    with pytest.raises(StorageError, match="a key of more than 16 parts"):
        wharf_toml.parse(wharf_toml.NEW + text.encode())


@pytest.mark.parametrize(
    "text",
    [
        *HOSTILE.values(),
        '"' * 60_000,
        "'" * 60_000,
        '"\n' * 30_000,
        'x = """' + '\\"""' * 15_000,
        'x = """' + '""a' * 20_000,
        '"""' + "\\" * 60_001,
        "." * 60_000,
    ],
)
def test_no_text_takes_long_to_be_looked_at(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        toml_and_json.toml(text)

    def look(size: int) -> None:
        with suppress(ValueError):
            toml_and_json.toml(text[:size])

    assert is_linear(len(text), look)


def _parses(_: str) -> None:
    pytest.fail("the parser has it")


def _many(form: str) -> str:
    """64 KB of such lines, each with another number."""
    return "".join(f"{form.format(number)}\n" for number in range((64 << 10) // len(form)))[: 64 << 10].rpartition("\n")[0]


@pytest.mark.parametrize("form", ["k{}" + ".a" * 15 + " = 1", "[k{}" + ".a" * 15 + "]", "a." * 15 + "k{} = 1", "a.a.a.k{} = 1"])
def test_very_many_keys_of_several_parts_are_refused_before_the_parser_sees_them(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tomllib, "loads", _parses)
    with pytest.raises(ValueError, match="too many keys of several parts"):
        toml_and_json.toml(_many(form))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["k{} = 1.5", "a.k{} = 1", "[tool.a.k{}]"])
def test_very_many_short_keys_are_read(form: str) -> None:
    assert toml_and_json.toml(_many(form)) == tomllib.loads(_many(form))


def test_dots_elsewhere_are_no_parts() -> None:
    dots = "1.2." * 50
    text = f"""# {dots}
x = "{dots} \\" {dots}" # {dots}
y = '{dots} " {dots}'
z = ["{dots}", '{dots}', 1.5, 2.5, 1979-05-27T07:32:00.5Z] # {dots}
"{dots}" = {{ '{dots}' = 1, a.b = "{dots}" }}
v = \"\"\"{dots} ' " \\\"\"\" # {dots}
{dots}\"\"\"\"\"
w = '''{dots} it's "
{dots}'''''
{".".join("a" * MOST_PARTS)} = 1
[{" . ".join('"a.b"' for _ in range(MOST_PARTS))}]
"""
    assert toml_and_json.toml(text) == tomllib.loads(text)


PARTS = st.sampled_from(["a", "B-2", '"a.b"', "'c.d'", '"\\""', '"#"', "'\"'", '""', "''"])
STRINGS = st.text("a.#\"'\\=[]{},\n ", max_size=12).flatmap(
    lambda inner: st.sampled_from(['"', "'", '"""', "'''", "#"]).map(lambda mark: f"{mark}{inner}{'' if mark == '#' else mark}")
)


@pytest.mark.slow
@given(st.lists(PARTS, min_size=1, max_size=30), STRINGS, st.sampled_from(["{} = 1", "[{}]", "[[{}]]", "z = {{{} = 1}}"]))
def test_parts_are_counted_as_the_parser_counts_them(parts: list[str], before: str, form: str) -> None:
    start = f"x = {before}\n" if before[0] != "#" else f"{before}\n"
    text = start + form.format(" . ".join(parts)) + "\n"
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(ValueError, match=r".+"):
            toml_and_json.toml(text)
        return
    if len(parts) > MOST_PARTS:
        with pytest.raises(ValueError, match="parts"):
            toml_and_json.toml(text)
    else:
        assert toml_and_json.toml(text) == tomllib.loads(text)
