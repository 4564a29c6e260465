"""LaTeX as plain text: formulas in Unicode, accents, quotes, dashes; what is not LaTeX stays as it is. Pure.

No letter, sign or grouping is lost: a script that Unicode lacks is written `x^(n+1)`, a fraction gets brackets where
its neighbours would change it, a command nobody knows stays as its name.
"""
