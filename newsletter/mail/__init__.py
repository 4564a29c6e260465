"""One edition becomes bytes: every part rendered and encoded once when it is frozen, then joined per reader.

In: a frozen edition's items, or the compiled parts and one reader's picks. Out: compiled parts, or one message.
Nothing here writes a row. Next: planning, and delivery, which hands the message over.
"""
