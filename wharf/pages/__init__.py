"""A project, or the list of projects, as the bytes of one page. Pure: values in, bytes out.

It promises that the same content gives the same bytes, and that JSON and HTML say the same as far as HTML can. It never reads
the index, and no private key of a record is on a page.

- `document`: the PEP 691 document of which each page is made.
- `page_format`: the formats, and a document as bytes in one of them. `html` has the templates.
- `json_page`: the document of the older JSON API of the public index.
- `content_negotiation`: which format and encoding a client asked for.
- `etag`: the ETag of a page.
- `install_commands`: what a person types to install from an index, as the page for people shows it.
"""
