"""The audit log: named events, rows in the change's transaction, a hash chain over them (req 105-107)."""
