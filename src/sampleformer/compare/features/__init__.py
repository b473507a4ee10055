"""Numbers of samples and of their tokens for simple models: plain functions, a kind of data a file."""
