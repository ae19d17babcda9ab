"""A program without a browser that signs people in by the device grant (RFC 8628)."""
