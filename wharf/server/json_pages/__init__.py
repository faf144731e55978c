"""Pages of the older JSON API of the public index, for those who still read it. They are of the index's own projects alone.

- `json_address`: which page an address names.
- `json_template`: such a page, made once for all addresses that it is seen under, and as an answer for one of them.
"""
