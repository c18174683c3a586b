"""The files of AGH, for `cairn repair --file`.

Beside `api/composition/program.py` one of the modules of `api` that know `infrastructure`.
"""

from infrastructure.importers.agh.files import AghFile, agh_database, agh_ledger

__all__ = ["AghFile", "agh_database", "agh_ledger"]
