"""Errors whose text is one sentence for the person at the page, the shell or the Python prompt: what is wrong, what to do."""


class StylelabError(Exception):
    """Base of all errors that are shown to people as they are; anything else is a bug and is logged."""


class BadInput(StylelabError, ValueError):
    """A picture or a knob that cannot be used."""


class WeightsMissing(StylelabError):
    """A weight file is not here, cannot be fetched, or is not what it should be."""
