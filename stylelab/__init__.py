"""Five style-transfer papers over one compact PyTorch package."""
