"""Signing in: sessions, factors, and what level was reached."""
