"""A page's document as HTML (PEP 503, 592, 658, 714, 792). The format is frozen (PEP 833): what is newer is in JSON only."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined, Template

from wharf.pages.install_commands import for_server, for_site

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wharf.model import Json
    from wharf.pages.install_commands import Login

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="pypi:repository-version" content="{{ meta['api-version'] }}">
{% if status is defined and status.status != "active" -%}
<meta name="pypi:project-status" content="{{ status.status }}">
{% if "reason" in status -%}
<meta name="pypi:project-status-reason" content="{{ status.reason }}">
{% endif -%}
{% endif -%}
<title>{{ "Links for " ~ name if name is defined else "Simple index" }}</title>
</head>
<body>
{% if name is defined -%}
<h1>Links for {{ name }}</h1>
{% for file in files -%}
<a href="{{ file.url }}#sha256={{ file.hashes.sha256 }}"
{%- if "requires-python" in file %} data-requires-python="{{ file["requires-python"] }}"{% endif %}
{%- if "yanked" in file %} data-yanked="{{ "" if file.yanked is true else file.yanked }}"{% endif %}
{%- if file["core-metadata"] %}
{%- set digest = "sha256=" ~ file["core-metadata"].sha256 %} data-core-metadata="{{ digest }}"
{%- if negotiated %} data-dist-info-metadata="{{ digest }}"{% endif %}
{%- endif -%}
>{{ file.filename }}</a><br>
{% endfor -%}
{% else -%}
{% for project in projects -%}
<a href="{{ project.name }}/">{{ project.name }}</a><br>
{% endfor -%}
{% endif -%}
</body>
</html>
"""


_HOME = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>A Python package index</title>
</head>
<body>
<h1>A Python package index</h1>
<p>Its projects are listed at <a href="simple/">{{ address ~ "/simple/" if address else "simple/" }}</a>. To install one of them
{%- if not address %}, with the address of that list as INDEX{% endif %}:</p>
<pre>{{ advice.commands | join("\n") }}</pre>
{% for note in advice.notes -%}
<p>{{ note }}</p>
{% endfor -%}
{% if uploads -%}
<p>To upload, with a token as the password (or UV_PUBLISH_TOKEN):</p>
<pre>twine upload --repository-url {{ address }}/legacy/ -u __token__ dist/*
uv publish --publish-url {{ address }}/legacy/ dist/*</pre>
{% endif -%}
{% if past -%}
<p>As it was at a date, a time or a commit, the index is at {{ past }}2026-11-30/simple/ and the like.</p>
{% endif -%}
{% if others -%}
<h2>Other indexes</h2>
<ul>
{% for name, at in others.items() -%}
<li><a href="{{ at }}/">{{ name }}</a>: {{ at }}/simple/</li>
{% endfor -%}
</ul>
{% endif -%}
</body>
</html>
"""


_API = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>The management API of this index</title>
</head>
<body>
<h1>The management API of this index</h1>
<p>{{ says }} For programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
<p>A token is the password of Basic, with any user name, or a Bearer token. An error is a problem document (RFC 9457).</p>
<dl>
{% for route in routes -%}
<dt><code>{{ route.method }} {{ route.path }}{% if route.query %}?{{ route.query | join("=&") }}={% endif %}</code></dt>
<dd>{{ route.says }}{% if route.body %} Body: {{ route.body | join(", ") }}.{% endif %}</dd>
{% endfor -%}
</dl>
</body>
</html>
"""


@functools.cache
def _template(text: str) -> Template:
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(text)


def render_home(address: str, others: Mapping[str, str], *, past: str, falls_through: bool, login: Login) -> str:
    """What a person sees who opens the address of an index (given without a slash at its end): how to use it.

    `others` are the addresses of further indexes, by their names. Behind `past` a moment is the address of the index as it was.
    """
    advice = for_server(f"{address}/simple/", falls_through=falls_through, login=login)
    return _template(_HOME).render(address=address, advice=advice, uploads=True, past=past, others=others)


def render_site_home(address: str, others: Mapping[str, str]) -> str:
    """The same for a static site, which takes no uploads; the address may be empty where it is not known."""
    address = address.rstrip("/")
    return _template(_HOME).render(
        address=address, advice=for_site(f"{address}/simple/" if address else "INDEX"), uploads=False, past="", others=others
    )


def render_api(says: str, routes: Sequence[Mapping[str, object]]) -> str:
    """What a person sees of the management API. A route has `method`, `path`, `query`, `says` and `body` (the keys of it)."""
    return _template(_API).render(says=says, routes=routes)


def render(document: Mapping[str, Json], *, negotiated: bool) -> str:
    """The HTML of a document; every value in it is escaped.

    `negotiated`: the client could choose the format. Otherwise it may be pip 22.3 to 23.1.2, which knows only the older name of
    `data-core-metadata`, and then refuses a file whose metadata spells the project in another way than was asked for. So the
    older name is left out for it.
    """
    names = {**document, "negotiated": negotiated}
    if "project-status" in names:
        names["status"] = names.pop("project-status")
    return _template(_PAGE).render(names)
