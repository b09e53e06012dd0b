"""The very loop of production under a seeded scheduler that may stop, kill or pause it at every await.

Two replicas run against a Kafka and a Redis in memory that model what matters to them. Nothing here takes time: the
scheduler drives the coroutines by hand, and a seed gives one schedule, always the same.
"""
