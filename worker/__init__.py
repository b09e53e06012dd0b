"""The number selection worker: which outbound number a contact sees, decided from events."""
