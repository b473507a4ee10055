"""Whether the recipes for own data are worth using: ours beside simple models on development sets."""
