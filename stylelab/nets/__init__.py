"""Architectures whose parameters come from a file. No files, no pictures, no losses in here."""
