"""Old portals: their directories, the accounts imported from them, and how their passwords are checked."""
