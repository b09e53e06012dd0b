"""Contacts in Redis: what is known of each, and the replies that were decided for its calls."""
