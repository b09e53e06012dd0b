"""The Apache Kafka and the Redis that tests and benchmarks run against: always real ones.

Where they come from, in this order:

1. the address given by `KAFKA_BOOTSTRAP` or `REDIS_URL`;
2. Docker, if an engine answers;
3. this machine: Kafka's jars (fetched once by Maven, run by Java), and a `redis-server`.

`TEST_SERVICES=docker` or `TEST_SERVICES=local` decides between the last two. Nothing is ever skipped: what is
missing is a `ServiceError` that names the mend. `python -m tests.services` gets ready whatever will be needed.

A `Server` is made of a `Program` (a child process or a container) and a way to ask whether it answers.
"""
