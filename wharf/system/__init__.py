"""What the operating system gives, used in a safe way.

It promises that no link leads a read or a deletion out of its folder, that private folders are private from the start, and that
an error of a file comes with its remedy. It never knows what the files are for.

- `regular_file`: files in folders that others may have filled.
- `unnamed_file`: files that no folder names yet.
- `file_lock`: locks on files, and waits for them that have an end.
- `owner_only_folder`: folders that only their owner can enter.
- `clock`: the time that has passed, sleep of the machine included.
- `file_time`: the time of a file that replaces another one.
- `standard_streams`: streams that were closed before wharf began.
- `inherited_signals`: signals that whoever started wharf ignores.
- `disk_remedies`: what to do about a full disk and other errors of files.
- `disk_trial`: whether a disk takes bytes.
- `disk_sync`: bytes and names that survive a power cut.
- `fault_report`: what is said about a fault in wharf.
"""
