"""Several worker processes on one machine, under one supervisor and one address for health and metrics.

Importing the worker takes most of its memory, so the processes are forked from one that has imported it, and share
those pages. A fork copies whatever the process is in the middle of: so the supervisor has no event loop and no thread,
ever, and the address is served by a process of its own, the front.
"""
