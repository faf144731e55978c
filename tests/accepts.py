"""Accept headers, and the format that each of them has to get (None: 406), from wharf and from other web servers."""

from __future__ import annotations

from wharf.pages.page_format import Format

JSON, HTML, PLAIN = Format.JSON, Format.HTML, Format.PLAIN_HTML
V1_JSON, V1_HTML = JSON.value, HTML.value
LATEST = "application/vnd.pypi.simple.latest+json"
# What clients really send.
INSTALLER = f"{V1_JSON}, {V1_HTML}; q=0.1, text/html; q=0.01"
PYPI_SIMPLE = f"{V1_JSON}, {V1_HTML}, text/html;q=0.01"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
JAVA = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"

_BY_FORMAT: dict[Format | None, list[str]] = {
    PLAIN: [
        *("", " ", ",", "*/*", "*", "text/html", "TEXT/HTML", "text/*", "application/*, text/*", "*/*, application/*;q=0.5"),
        *(BROWSER, JAVA, f"{V1_JSON};q=0.1, text/html;q=0.9", f"{V1_JSON};q=0, */*", f"{V1_JSON};q=0.000, text/html;q=0.001"),
        *("nonsense, text/html", "text/html, */*", "*/*, text/html", f"{V1_JSON};q=0.999, text/html"),
        f"text/html;q=0.2, text/html;q=0.8, {V1_JSON};q=0.5",
        f"{V1_HTML};q=0.5, */*",
    ],
    HTML: [V1_HTML, V1_HTML.replace("v1", "latest"), f"{V1_HTML}, text/html", f"text/html, {V1_HTML}", "application/*"],
    JSON: [
        *(V1_JSON, LATEST, V1_JSON.upper(), LATEST.upper(), f"{V1_JSON}, */*", f"*/*, {V1_JSON}"),
        *(INSTALLER, PYPI_SIMPLE, INSTALLER.replace("; ", ";"), INSTALLER.title()),
        # The same weight: what says most wins, in any order, whatever the weight is.
        *(f"{V1_JSON}, text/html", f"text/html, {V1_JSON}", f"{V1_HTML}, {LATEST}, text/html"),
        *(
            f"text/html;q=0.5, {V1_JSON};q=0.5",
            f"{V1_JSON};Q=0.50 , text/html ; q=.5",
            f"*/*;q=0.5, text/*;q=0.5, {V1_JSON};q=0.5",
        ),
        # Parameters and weights in odd forms.
        *(f"{V1_JSON};charset=utf-8", f"{V1_JSON} ; q=1.000 ; x=y", f'{V1_JSON};x="a b";q=0.9, text/html;q=0.8'),
        *(f"{V1_JSON};q=2, text/html;q=0.9", f"{V1_JSON};q=, text/html;q=0.9", f";, {V1_JSON};, text/html;q=0.9"),
        *(f"{V1_JSON};q=0.2, {LATEST}, text/html;q=0.5", f"nonsense, {V1_JSON};q=0.1", f"text/html;q=0, {V1_JSON};q=0.001"),
    ],
    None: [
        *("application/vnd.pypi.simple.v2+json", "application/vnd.pypi.simple.v1.4+json", "application/json", "image/png"),
        *("text/html;q=0", "*/*;q=0", f"{V1_JSON};q=0", "nonsense"),
    ],
}
ACCEPTS = [(accept, form) for form, accepts in _BY_FORMAT.items() for accept in accepts]
