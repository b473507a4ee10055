"""What happens around the steps of a training: random states, checkpoints, metrics and progress."""
