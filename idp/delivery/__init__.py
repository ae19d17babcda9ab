"""Messages that leave this server: an outbox emptied by the worker, with retries (datamodel: outbox)."""
