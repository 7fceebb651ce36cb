"""Both sides of the training benchmark: the shape and its rows, a general trainer, and this package."""
