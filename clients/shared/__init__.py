"""What the example portals and the example API have in common."""
