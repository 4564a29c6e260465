"""People: topics, subscribers, consent and suppression. Imports nothing of newsletter."""
