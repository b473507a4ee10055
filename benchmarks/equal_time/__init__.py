"""Whether the sample earns its place: local parts alone, with samples of several sizes, with all tokens."""
