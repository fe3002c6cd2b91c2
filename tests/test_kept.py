"""Folders for what visitors download."""

import os
import tempfile

from stylelab.ui.kept import KEPT, new_folder


def test_only_old_folders_of_its_own_go(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, new = new_folder(), new_folder()
    foreign = tmp_path / "stylelab-main"  # as GitHub calls an unpacked copy of the project
    foreign.mkdir()
    for folder in (old, new, foreign):
        (folder / "file").touch()
    for folder in (old, foreign):
        os.utime(folder / "file", (1, 1))
    os.utime(new / "file", (new.stat().st_mtime - KEPT / 2,) * 2)
    made = new_folder()
    assert {path.name for path in tmp_path.iterdir()} == {new.name, foreign.name, made.name} and not list(made.iterdir())
