"""Five style-transfer papers over one compact PyTorch package."""

from .errors import BadInput, StylelabError, WeightsMissing
from .job import METHODS, Result, stream, stylize
from .method import Step

__all__ = ["METHODS", "BadInput", "Result", "Step", "StylelabError", "WeightsMissing", "stream", "stylize"]
