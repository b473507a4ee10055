"""The mathematics: pure functions of tensors, without parameters or state."""
