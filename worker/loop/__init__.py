"""The loop: read state, decide, write state, publish, commit. A micro-batch at a time, in this order."""
