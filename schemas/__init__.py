"""The public contract: the events and settings records that cross the worker's boundary."""
