"""What the worker costs and how fast it is, measured on a real Kafka and a real Redis; see docs/performance.md."""
