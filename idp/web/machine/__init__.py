"""Endpoints that programs call: a thin WSGI dispatcher in front of the pages, without a web framework."""
