"""How others send the same digests, for comparison: each program prints one line of JSON about its run.

In: `digests.json` (papers, readers with their picks) and the templates beside this file, made as long as our messages
by a comment. Out: mail to the same sink. None of their code is here: they are installed under `var/bench`.
"""
