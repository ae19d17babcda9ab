"""Delivery: everything that speaks HTTP to people and programs (design §3)."""
