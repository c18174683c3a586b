"""Files of exports, archives and other systems, for the commands that work without a server.

Beside `api/composition/program.py` one of the modules of `api` that know `infrastructure`.
"""

from infrastructure.importers.converting import SOURCES, Conversion
from infrastructure.transfer.archive_folder import new_folder_in, verify_archive
from infrastructure.transfer.compression import compressor

__all__ = ["SOURCES", "Conversion", "compressor", "new_folder_in", "verify_archive"]
