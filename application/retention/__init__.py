"""Retention: what is old enough is archived, the archive is verified, and then it is erased."""
