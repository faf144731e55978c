"""pip, uv, poetry, PDM and twine: what each of them has to be told to use an index. Pure: text in, text out.

It promises that everything else in a person's file stays as it is, and a note for each other index that could win a name of
this one. It never writes a token into a text, and opens no file.

- `setup_by_client`: the setup of each client, in the files `pip`, `uv`, `poetry`, `pdm` and `twine`.
- `setup_text`: what a setup is, and the sentences that several clients share.
- `index_address`: the address of an index, as a person types it.
"""
