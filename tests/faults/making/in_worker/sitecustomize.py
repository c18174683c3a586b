"""Imported by every Python that has this folder on its path; does something in workers only."""

import os
import sys
import traceback

if "api.cli.serving.worker" in sys.orig_argv:
    try:
        from tests.faults.making.broken import prepare_worker

        prepare_worker(
            os.environ.get("FAULTS_BROKEN", ""),
            os.environ.get("FAULTS_CLOCK", ""),
            os.environ.get("FAULTS_SERVING", ""),
        )
    except Exception:  # noqa: BLE001 - Python itself would only print it, and go on
        traceback.print_exc()
        os._exit(70)
