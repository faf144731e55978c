"""What clients get of upstream indexes: pages with addresses of this server, and the files behind them.

It promises that a file which the policy hides is sent at no address, that no wrong byte is sent, and that an upstream is asked
once for all who want something of it. It never decides whether a name may leave: `fall_through` has done so before.

- `open_upstreams`: the upstreams that the settings name, opened with what the operator knows of them.
- `judged_projects`: projects of upstreams as a policy shows them, and the answers that lie ready of them.
- `hidden_files`: what is said of the files that a policy hides.
- `past_name`: what counts for a name at an address of the past besides what counts now.
- `upstream_document`: such a project as the value that a page is made of.
"""
