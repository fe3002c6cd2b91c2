"""Accuracy as a command: a method held against pictures whose right answer is known (``bench --accuracy METHOD``)."""
