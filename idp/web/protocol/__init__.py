"""The protocol's endpoints that people pass through in their browser."""
