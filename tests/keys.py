"""The keys of a contact in Redis, one by one."""

from worker.state.buckets import keys_of


def contact_key(bucket: int, contact_id: str) -> str:
    """The key of what is known of the contact."""
    return keys_of(bucket, contact_id, ())[0]


def reply_key(bucket: int, contact_id: str, call_id: str) -> str:
    """The key of the reply that was decided for a call."""
    return keys_of(bucket, contact_id, [call_id])[1]
