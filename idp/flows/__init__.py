"""Multi-step work of a person in one browser, and the single-use secrets that carry it on."""
