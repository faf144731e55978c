"""The port that several `wharf run` of one index share on one machine.

It promises that each run answers the connections that are meant for it, by its own options and its own token, and that the
port outlives whichever run ends first. It never talks to a process of another user, and says no password, no token and no page.

- `shared_port`: one run at the port, from the listening socket to its end.
- `run_search`: how a run asks the others for the listening socket.
- `run_sockets`: the sockets by which runs are found, and the deletion of those that the dead left behind.
- `handover`: what runs say to each other.
- `private_folder`: folders that nobody else can enter, for these sockets.
- `loopback_listener`: a listening socket on this machine alone.
"""
