"""The worker as real processes on a real three-broker Kafka and a real Redis, with all of it failing in turn.

`make chaos` runs every kind of fault several times, `make test` the main ones once. The plan of faults comes from a
seed, which is printed: `CHAOS_SEED=N make chaos` runs the same plan again.
"""
