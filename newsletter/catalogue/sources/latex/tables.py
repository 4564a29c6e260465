"""What the commands of LaTeX stand for: tables of symbols, accents, alphabets, scripts and units. Pure.

The bulk of the symbols is pylatexenc's; what stands here is what it lacks or gives another form.
"""

from __future__ import annotations

import re
import string
from functools import lru_cache

# Symbols that pylatexenc does not know, or shows in a form that mails and search cannot use.
_SYMBOLS = {
    "today": "today",
    "backslash": "∖",
    "textbackslash": "∖",
    "prime": "′",
    "limsup": "lim sup",
    "quad": " ",
    "qquad": " ",
    "enskip": " ",
    "thinspace": " ",
    "enspace": " ",
    "space": " ",
    "nobreakspace": " ",
    "nolinebreak": "",
    "textcompwordmark": "",
    "ast": "*",
    "bullet": "•",
    "lnot": "¬",
    "neg": "¬",
    "eth": "ð",
    "ne": "≠",
    "land": "∧",
    "lor": "∨",
    "iff": "⇔",
    "implies": "⇒",
    "impliedby": "⇐",
    "gets": "←",
    "owns": "∋",
    "models": "⊨",
    "vDash": "⊨",
    "bot": "⊥",
    "Box": "□",
    "Diamond": "◇",
    "diamond": "⋄",
    "Join": "⋈",
    "join": "⋈",
    "qed": "□",
    "colon": ":",
    "coloneqq": ":=",
    "coloneq": ":=",
    "defeq": ":=",
    "eqqcolon": "=:",
    "vcentcolon": ":",
    "lbrack": "[",
    "rbrack": "]",
    "lbrace": "{",
    "rbrace": "}",
    "lgroup": "(",
    "rgroup": ")",
    "lt": "<",
    "gt": ">",
    "Re": "Re",
    "Im": "Im",
    "imath": "ı",
    "jmath": "ȷ",
    "P": "¶",
    "S": "§",
    "dag": "†",
    "ddag": "‡",
    "ddagger": "‡",
    "copyright": "©",
    "pounds": "£",
    "euro": "€",
    "degree": "°",
    "celsius": "°C",
    "checkmark": "✓",
    "cmark": "✓",
    "xmark": "✗",
    "dashrightarrow": "⇢",
    "dashleftarrow": "⇠",
    "leadsto": "⇝",
    "rightleftharpoon": "⇌",
    "longleftarrow": "⟵",
    "bigoplus": "⨁",
    "bigotimes": "⨂",
    "bigsqcup": "⨆",
    "biguplus": "⨄",
    "bigodot": "⨀",
    "bigstar": "★",
    "varkappa": "ϰ",
    "Bbbk": "𝕜",
    "complement": "∁",
    "restriction": "↾",
    "restrict": "↾",
    "nsim": "≁",
    "ncong": "≇",
    "nequiv": "≢",
    "unlhd": "⊴",
    "unrhd": "⊵",
    "lhd": "⊲",
    "rhd": "⊳",
    "blacktriangleup": "▲",
    "triangle": "△",
    "varnothing": "∅",
    "thickapprox": "≈",
    "thicksim": "∼",
    "varpropto": "∝",
    "shortmid": "∣",
    "shortparallel": "∥",
    "dots": "…",
    "hdots": "…",
    "dotsc": "…",
    "textregistered": "®",
    "trademark": "™",
    "LaTeX": "LaTeX",
    "TeX": "TeX",
    "BibTeX": "BibTeX",
    "clubsuit": "♣",
    "spadesuit": "♠",
    "heartsuit": "♥",
    "diamondsuit": "♦",
    "llbracket": "⟦",
    "rrbracket": "⟧",
    "lAngle": "⟪",
    "rAngle": "⟫",
    "hslash": "ħ",
    "mathdollar": "$",
    "textless": "<",
    "textgreater": ">",
    "textbar": "|",
    "textunderscore": "_",
    "textasciicircum": "^",
    "slash": "/",
    "arraystretch": "",
    "eps": "ε",
    "veps": "ε",
    "varGamma": "Γ",
    "varDelta": "Δ",
    "varTheta": "Θ",
    "varLambda": "Λ",
    "varXi": "Ξ",
    "varPi": "Π",
    "varSigma": "Σ",
    "varUpsilon": "Υ",
    "varPhi": "Φ",
    "varPsi": "Ψ",
    "varOmega": "Ω",
    "farcs": "″.",
    "farcm": "′.",
    "fdg": "°.",
    "arcsec": "″",
    "arcmin": "′",
    "degr": "°",
    "micron": "μm",
    "sun": "⊙",
    "earth": "⊕",
    "la": "≲",
    "ga": "≳",
    "kms": "km s⁻¹",
    "Msun": "M_⊙",
    "msun": "M_⊙",
    "Lsun": "L_⊙",
    "Rsun": "R_⊙",
    "Zsun": "Z_⊙",
    "upmu": "μ",
    "micro": "μ",
    "angstrom": "Å",
    "bigtimes": "⨉",
    "lvert": "|",
    "rvert": "|",
    "id": "id",
}
FUNCTIONS = frozenset(
    (
        "arccos arccosh arcsin arcsinh arctan arctanh arg argmax argmin codim coker cos cosh cot coth csc deg det "
        "diag dim erf exp gcd grad hom inf inj ker lcm lg lim liminf limsup ln log max min mod Pr proj rank "
        "sec sgn sign sin sinh span sup supp tan tanh tr Tr Hom End Aut Ext Tor Spec Proj id Re Im varlimsup "
        "varliminf bmod varprojlim varinjlim projlim injlim"
    ).split()
)
SHOWN_AS = (
    {"limsup": "lim sup", "liminf": "lim inf", "varlimsup": "lim sup", "varliminf": "lim inf", "bmod": "mod"}
    | dict.fromkeys(("varprojlim", "projlim"), "proj lim")
    | dict.fromkeys(("varinjlim", "injlim"), "inj lim")
)
# Signs that belong to what follows them, and so take no blank of their own beside them.
PREFIXES = frozenset("⨁⨂⨀⨄∀∃∄∂∇∑∏∐∫∬∭∮√∞∅¬⟨⟩⌈⌉⌊⌋|‖ℓ⋀⋁⋂⋃⊤⊥⨆")

# Commands that are dropped, by the number of arguments that are dropped with them.
DROPPED = {
    name: count
    for count, names in {
        0: "displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits noindent par centering newline "
        "linebreak bigskip medskip smallskip hfill left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr "
        "Biggl Biggr bigm Bigm biggm Biggm nonumber notag protect relax xspace ignorespaces mathstrut strut hline "
        "toprule midrule bottomrule allowbreak nobreak break null boldmath unboldmath mathord mathrel mathbin mathopen "
        "mathclose mathpunct mathinner romannumeral",
        1: "label vspace hspace phantom hphantom vphantom color tag index thispagestyle pagestyle mskip "
        "bibliographystyle usepackage",
    }.items()
    for name in names.split()
}
# Declarations: they hold until the group ends and change nothing that plain text can show.
DECLARATIONS = frozenset(
    (
        "em bf it rm tt sf sc sl bfseries itshape rmfamily ttfamily sffamily scshape slshape mdseries upshape "
        "normalfont tiny scriptsize footnotesize small normalsize large Large LARGE huge Huge"
    ).split()
)
# Commands whose argument is shown as it is. Those of the second kind begin text within a formula.
STYLES = frozenset(
    (
        "mathrm mathbf mathit mathsf mathtt mathnormal bm boldsymbol pmb ensuremath mathop vb va vu symbf symbfit "
        "underbrace overbrace smash boxed fbox substack hbox rlap llap mathrlap mathllap clap mathclap lefteqn"
    ).split()
)
TEXTS = frozenset(
    (
        "text textbf textit textrm textsc texttt textsf textsl textmd textup textnormal emph mbox intertext "
        "makebox textcolor underline underbar uline paragraph section subsection title caption texorpdfstring lstinline"
    ).split()
)
ROMAN = frozenset({"mathrm"})

_BLACKBOARD = ("mathbb", "Bbb", "mathds", "bb", "mathbbm", "varmathbb", "symbb")
_SCRIPT = ("mathcal", "mathscr", "cal", "scr", "EuScript", "symcal", "symscr")
_FRAKTUR = ("mathfrak", "frak", "goth", "symfrak")
ALPHABETS = {name: alphabet for alphabet, names in enumerate((_BLACKBOARD, _SCRIPT, _FRAKTUR)) for name in names}
LONGEST_IN_ALPHABET = 3  # letters; what is longer is a name, "ALC", and stays plain
_STARTS = ((0x1D538, 0x1D552, 0x1D7D8), (0x1D49C, 0x1D4B6, 0), (0x1D504, 0x1D51E, 0))
_ELSEWHERE = (
    dict(zip("CHNPQRZ", "ℂℍℕℙℚℝℤ", strict=True)),
    dict(zip("BEFHILMRego", "ℬℰℱℋℐℒℳℛℯℊℴ", strict=True)),
    dict(zip("CHIRZ", "ℭℌℑℜℨ", strict=True)),
)
BLACKBOARD_NAMES = {name: _ELSEWHERE[0][name[0]] for name in ("R C N Z Q RR CC NN ZZ QQ PP").split()}

MARKS = {
    "hat": "\u0302",
    "widehat": "\u0302",
    "tilde": "\u0303",
    "widetilde": "\u0303",
    "bar": "\u0304",
    "overline": "\u0305",
    "wbar": "\u0305",
    "vec": "\u20d7",
    "overrightarrow": "\u20d7",
    "overleftarrow": "\u20d6",
    "dot": "\u0307",
    "ddot": "\u0308",
    "dddot": "\u20db",
    "check": "\u030c",
    "widecheck": "\u030c",
    "breve": "\u0306",
    "acute": "\u0301",
    "grave": "\u0300",
    "mathring": "\u030a",
    "underline": "\u0332",
    "underbar": "\u0332",
    "uline": "\u0332",
    "slashed": "\u0338",
    "cancel": "\u0338",
    "not": "\u0338",
}
LINES = frozenset("\u0305\u0332")  # marks that join to a line over or under several letters
ACCENTS = {
    "'": "\u0301",
    "`": "\u0300",
    "^": "\u0302",
    '"': "\u0308",
    "~": "\u0303",
    "=": "\u0304",
    ".": "\u0307",
    "c": "\u0327",
    "v": "\u030c",
    "u": "\u0306",
    "H": "\u030b",
    "k": "\u0328",
    "r": "\u030a",
    "b": "\u0331",
    "d": "\u0323",
    "t": "\u0361",
}
DOTLESS = {"ı": "i", "ȷ": "j"}
LETTERS = frozenset(("o O l L i j ae AE oe OE aa AA ss dh DH th TH dj DJ ng NG").split())
SIGNS = {sign: sign for sign in "%&$#_{}"} | {
    ",": " ",
    ";": " ",
    ":": " ",
    ">": " ",
    " ": " ",
    "\n": " ",
    "!": "",
    "-": "",
    "/": "",
    "@": "",
    "|": "‖",
    "\\": " ",
    "(": "(",
    ")": ")",
    "[": "[",
    "]": "]",
}
BRACKETS = {
    "ket": ("|", "⟩"),
    "bra": ("⟨", "|"),
    "braket": ("⟨", "⟩"),
    "expval": ("⟨", "⟩"),
    "ev": ("⟨", "⟩"),
    "abs": ("|", "|"),
    "norm": ("‖", "‖"),
    "ceil": ("⌈", "⌉"),
    "floor": ("⌊", "⌋"),
    "set": ("{", "}"),
    "enquote": ("“", "”"),
    "quotes": ("“", "”"),
    "textquote": ("“", "”"),
    "footnote": (" (", ")"),
    "pmod": (" (mod ", ")"),
    "textsuperscript": ("^", ""),
    "textsubscript": ("_", ""),
    "item": (" • ", ""),
}
FENCES = {
    "pmatrix": ("(", ")"),
    "psmallmatrix": ("(", ")"),
    "bmatrix": ("[", "]"),
    "Bmatrix": ("{", "}"),
    "vmatrix": ("|", "|"),
    "Vmatrix": ("‖", "‖"),
    "cases": ("{", "}"),
    "matrix": ("", ""),
    "smallmatrix": ("", ""),
    "array": ("", ""),
    "tabular": ("", ""),
}
FORMULAS = re.compile(r"(?:equation|align|gather|multline|eqnarray|displaymath|math|split|aligned|gathered)\*?$")
ARROWS_WITH_LABELS = {
    "xrightarrow": "→",
    "xleftarrow": "←",
    "xmapsto": "↦",
    "xhookrightarrow": "↪",
    "xleftrightarrow": "↔",
    "xRightarrow": "⇒",
}
UNITS = {
    name: sign
    for pair in (
        "micro:μ milli:m kilo:k mega:M giga:G tera:T peta:P nano:n pico:p femto:f atto:a centi:c deci:d hecto:h "
        "meter:m metre:m second:s gram:g kilogram:kg kelvin:K hertz:Hz electronvolt:eV eV:eV keV:keV MeV:MeV "
        "GeV:GeV TeV:TeV joule:J watt:W volt:V ampere:A ohm:Ω tesla:T pascal:Pa newton:N mole:mol candela:cd "
        "degree:° arcmin:′ arcsec:″ degreeCelsius:°C celsius:°C percent:% per:/ squared:² square:² cubed:³ "
        "cubic:³ liter:L litre:L hour:h minute:min day:d year:yr bar:bar barn:b bit:bit byte:B decibel:dB "
        "radian:rad farad:F henry:H siemens:S weber:Wb coulomb:C becquerel:Bq sievert:Sv gray:Gy lumen:lm lux:lx "
        "parsec:pc um:μm nm:nm mm:mm cm:cm km:km kg:kg ms:ms us:μs ns:ns Hz:Hz kHz:kHz MHz:MHz GHz:GHz dB:dB "
        "angstrom:Å gauss:G erg:erg"
    ).split()
    for name, sign in [pair.split(":")]
}

_SUPERSCRIPTS = str.maketrans(
    "0123456789+-−=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVWβγδθφϕχ∘*′†",
    "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵝᵞᵟᶿᵠᵠᵡ°*′†",
)
_SUBSCRIPTS = str.maketrans(
    "0123456789+-−=()aehijklmnoprstuvxβγρφϕχ",
    "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵩᵪ",
)
SCRIPTS = {"^": _SUPERSCRIPTS, "_": _SUBSCRIPTS}
RAISED = frozenset("".join(map(chr, {*_SUPERSCRIPTS.values(), *_SUBSCRIPTS.values()})))


@lru_cache(maxsize=1)
def symbols() -> dict[str, str]:
    """The sign of each command without arguments."""
    from pylatexenc.latex2text import get_default_latex_context_db

    known = get_default_latex_context_db()
    found = {
        spec.macroname: spec.simplify_repl
        for category in ("nonascii-specials", "advanced-symbols", "latex-base")
        for spec in known.iter_macro_specs([category])
        if isinstance(spec.simplify_repl, str) and "%" not in spec.simplify_repl
    }
    return {name: sign for name, sign in found.items() if name.isalpha()} | _SYMBOLS


def in_alphabet(text: str, alphabet: int) -> str:
    """The Latin letters of `text` as double-struck, script or Fraktur ones."""
    return "".join(_letter(char, alphabet) for char in text)


def _letter(char: str, alphabet: int) -> str:
    capital, small, digit = _STARTS[alphabet]
    if char in _ELSEWHERE[alphabet]:
        return _ELSEWHERE[alphabet][char]
    for start, letters in ((capital, string.ascii_uppercase), (small, string.ascii_lowercase), (digit, string.digits)):
        if start and char in letters:
            return chr(start + letters.index(char))
    return char
