"""Telling other services what has happened, in order, from a checkpoint that outlives us."""
