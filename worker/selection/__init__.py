"""The decision: which number a call shows. Pure; no I/O, no clock, no global random."""
