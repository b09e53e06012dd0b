"""Kafka: intake in order, replies, dead letters, the settings topic, and what a replica that takes over reads."""
