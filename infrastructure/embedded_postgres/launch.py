"""Starting a keeper, and hearing what it complains of if it cannot do its work."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from infrastructure.embedded_postgres.layout import EmbeddedPostgresError, Layout, last_line

_IMPORT_ROOT = Path(__file__).resolve().parents[2]


class KeeperLaunch:
    """A keeper we have started, as long as we care what becomes of it.

    Args:
        layout: The data directory.
        durable: False gives up crash safety for speed, for tests only.

    Raises:
        EmbeddedPostgresError: It did not even get into the background.
    """

    def __init__(self, layout: Layout, *, durable: bool) -> None:
        command = [sys.executable, "-P", "-m", "infrastructure.embedded_postgres.keeper"]
        command += [str(layout.home), *([] if durable else ["--not-durable"])]
        paths = [str(_IMPORT_ROOT), os.environ.get("PYTHONPATH", "")]
        self._said = b""
        self._output, output = os.pipe()
        os.set_blocking(self._output, False)
        try:
            with layout.keeper_log.open("ab") as log:
                # Returns once the keeper is in the background, so that it is nobody's zombie later.
                status = subprocess.run(  # noqa: S603 - our own interpreter and module
                    command,
                    check=False,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=log,
                    cwd="/",
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
                    start_new_session=True,
                ).returncode
        finally:
            os.close(output)
        if status != 0:
            self.forget()
            raise EmbeddedPostgresError(
                f"The keeper of Postgres did not start: {last_line(layout.keeper_log)};"
                f" see {layout.keeper_log}."
            )

    def has_ended(self) -> bool:
        """Whether the keeper has gone without complaint: another was faster, or it was killed.

        Raises:
            EmbeddedPostgresError: It has gone, and this is what it complained of.
        """
        with suppress(BlockingIOError):
            while chunk := os.read(self._output, 4096):
                self._said += chunk
            self.forget()
            if self._said:
                raise EmbeddedPostgresError(self._said.decode(errors="replace"))
            return True
        return False

    def forget(self) -> None:
        """Stop listening to the keeper, which goes on."""
        output, self._output = self._output, -1
        if output >= 0:
            os.close(output)
