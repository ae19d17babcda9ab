"""What people do to accounts, organisations, clients and permissions: permission check, change, audit.

One module a noun; the single implementation behind pages, console, API and command line.
"""
