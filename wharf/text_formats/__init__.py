"""TOML, JSON and INI that anybody may have written. Pure: text in, text or values out.

It promises one kind of error, whatever is wrong with a text, and edits that leave everything else as it is, comments too.
It never opens a file.

- `toml_and_json`: TOML and JSON as values.
- `toml_editing`: edits of TOML as text, with tomlkit.
- `ini_editing`: edits of INI as text, with configupdater.
- `edited_text`: what both editors share.
"""
