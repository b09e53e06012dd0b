"""The settings: folded from records, read from a file, checked, compared. Pure."""
