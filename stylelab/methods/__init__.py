"""One file a paper; none imports another. The registry is `stylelab.METHODS`."""
