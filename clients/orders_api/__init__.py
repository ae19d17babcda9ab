"""The orders API: a resource server that trusts access tokens, and nothing else."""
