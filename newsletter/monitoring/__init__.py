"""Is it well, who got what and why not, and what receivers see of us.

In: every row, the DNS, a mail that arrived. Out: alarms, numbers, one reader's history, previews. Read only: nothing
here changes a row.
"""
