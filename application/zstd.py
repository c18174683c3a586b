"""The module `zstd`: of Python itself, or before 3.14 of the package that brings the same."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["zstd"]
