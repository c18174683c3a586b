"""Erasure: what a session or a person has said is gone for good, and the proof still stands."""
