"""The answer to XML-RPC, by which `pip search` and old tools ask an index: a fault that says where the projects are.

It is answered with 200, as XML-RPC wants it. Any other status is a traceback in every pip.
"""

from __future__ import annotations

from html import escape

from wharf.server.http.answer import Answer, uncached

_TYPES = (b"text/xml", b"application/xml")
_CODE = -32601  # "method not found", in the list of codes that servers of XML-RPC share


def is_xml_rpc(content_type: bytes | None) -> bool:
    """Whether a request that posts something is one of XML-RPC, as far as its headers tell."""
    return content_type is not None and content_type.partition(b";")[0].strip().lower() in _TYPES


def refuse_xml_rpc(pages: str) -> Answer:
    """The fault. `pages` is the address of the list of projects."""
    says = escape(f"This index does not answer XML-RPC, so `pip search` finds nothing here. Its projects are at {pages}")
    members = (("faultCode", f"<int>{_CODE}</int>"), ("faultString", f"<string>{says}</string>"))
    found = "".join(f"<member><name>{name}</name><value>{value}</value></member>" for name, value in members)
    body = f'<?xml version="1.0"?>\n<methodResponse><fault><value><struct>{found}</struct></value></fault></methodResponse>\n'
    return uncached(200, body.encode(errors="replace"), "text/xml; charset=utf-8")
