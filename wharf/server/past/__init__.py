"""Addresses of the past: what each index was at a moment, and what of that is sent today.

It promises that a page of the past is of the commits that counted at that moment, that a name which belongs to the repository
now or belonged to it then never leaves it, and that pages of now wait for nothing that is done here. Thousands of moments cost
as much memory as 64 of them.

- `past_address`: which addresses are of the past, and what else they are answered than pages.
- `past_api`: the answers at these addresses.
- `todays_rule`: whether a file that was shown then is sent today, and who took it away.
- `held_views`: the moments that are held, each made once for all who ask.
- `past_view`: an index at a moment. `view_maker`: how one is made from the history.
- `past_lines`: which commits were the tip, of all indexes.
- `history_copy`: all commits on this machine, fetched from GitHub when somebody asks for the past.
"""
