"""The support portal: open with any sign-in, but for one page that needs a second factor."""
