"""The demonstration: the worker with a broker, a Redis and a dialer of its own, in one command."""
