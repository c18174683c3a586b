"""Measures Cairn beside what the same machine can do at best, in one run.

`python -m bench` from the project's root starts one durable Postgres, the `cairn` program and the
floors (bare apps under the same uvicorn), lets them take turns, and writes `docs/performance.md`.
Start reading in `measures/__init__.py` (what is measured), then `lab.py` (what it is measured on).
"""
