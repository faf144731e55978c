"""pip, uv, poetry, pdm and twine: what each has to be told to use an index."""
