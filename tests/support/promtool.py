"""What Prometheus itself says of an exposition."""

import shutil
import subprocess

PROMTOOL = shutil.which("promtool")
WHY_NOT = "promtool is not here: it comes with Prometheus (on Debian the package prometheus)"


def faults_of_metrics(text: str) -> str:
    """Return what `promtool check metrics` finds wrong, its advice included; empty for nothing."""
    assert PROMTOOL is not None, WHY_NOT
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"],
        input=text, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    found = (done.stdout + done.stderr).strip()
    return found or ("" if done.returncode == 0 else f"it ended with {done.returncode}")
