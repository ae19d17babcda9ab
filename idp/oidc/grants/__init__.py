"""Grant types: each file one, named as its specification names it."""
