"""Alarms, histories of readers, previews of digests, and checks of how receivers see our mail.

In: every row, the DNS, a mail that arrived. Out: sentences and numbers. Read only: nothing here changes a row.
"""
