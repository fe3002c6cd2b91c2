"""Files that visitors download: each in a folder of its own, which goes after `KEPT` seconds."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

KEPT = 3600  # seconds that uploads and results stay on the server
PREFIX = "stylelab-result-"  # of folders that only this module makes: what is old there is removed


def new_folder() -> Path:
    """An empty folder; those of `KEPT` seconds ago are removed."""
    for old in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/*"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > KEPT:
                shutil.rmtree(old.parent)
    return Path(tempfile.mkdtemp(prefix=PREFIX))
