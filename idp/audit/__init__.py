"""The audit log: events with a written grammar, rows in the change's transaction, a hash chain over them (req 105-107)."""
