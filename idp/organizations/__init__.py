"""Companies, the people who belong to them, and what both may do."""
