"""The person's record: identifiers, password, profile."""
