"""Hosted pages for people; each view returns to the hub (design §3)."""
