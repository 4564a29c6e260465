"""What mail clients cannot show: the CSS and HTML of a digest against the table in data/mail_clients.json.

A feature outside the table is a fault until somebody looks it up at caniemail.com and adds it with its source; one
that a client lacks must say there what readers of that client see instead.
"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

FEATURES = {
    row["feature"]: row
    for row in json.loads((Path(__file__).parent / "data/mail_clients.json").read_text())["features"]
}
# Not on caniemail.com, and harmless where unknown: basics of HTML, hints to one client, names for assistive tools.
PLAIN = {
    *("property color", "property mso-hide", "property mso-line-height-rule", "property -webkit-text-size-adjust"),
    *("element html", "element head", "element title", "element meta", "element a", "selector :root"),
    *("element b", "element br", "element em", "element img", "attribute src", "attribute alt"),
    *("attribute class", "attribute style", "attribute href", "attribute name", "attribute content"),
    *("attribute charset", "attribute xmlns", "attribute xmlns:o", "attribute aria-roledescription"),
}
PADDED_WITH_STAND_IN = {"number", "chip", "curator"}  # no-break spaces, or a border that may go
STYLE_LIMIT = 8_000  # Gmail drops a <style> over 16 KB


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.used: set[str] = set()
        self.faults: list[str] = []
        self.style = ""
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.used.add(f"element {tag}")
        values = {name: value or "" for name, value in attrs}
        self.used |= {f"attribute {name}" for name in values}
        self._in_style = tag == "style"
        for name, value in declarations(values.get("style", "")):
            self.used.add(f"property {name}")
            self.faults += _value_faults(tag, values.get("class", ""), name, value)

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.style += data

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False


def declarations(style: str) -> list[tuple[str, str]]:
    pairs = [part.partition(":") for part in style.split(";") if part.strip()]
    return [(name.strip(), value.strip()) for name, _, value in pairs]


def _value_faults(tag: str, classes: str, name: str, value: str) -> list[str]:
    """Values and places that caniemail's notes warn of."""
    faults = []
    if name.startswith("padding") and tag not in {"td", "body"} and classes not in PADDED_WITH_STAND_IN:
        faults.append("padding counts on table cells only (Outlook)")
    if name.startswith("margin") and (re.search(r"-\d|auto", value) or tag == "span"):
        faults.append("a margin that Outlook drops")
    if name == "text-align" and value not in {"left", "right", "center"}:
        faults.append("start and end are unknown to Outlook and Yahoo")
    if name == "display" and value not in {"none", "inline-block"}:
        faults.append("display")
    if name in {"width", "max-width"} and tag != "table":
        faults.append("width counts on tables only (Outlook)")
    if re.search(r"\d(?:rem|em|ch|vw|vh)\b", value):
        faults.append("a relative unit")
    if "!important" in value:
        faults.append("!important does not count inline (Outlook)")
    return [f"client support: {fault}: {name}: {value} on <{tag} class={classes!r}>" for fault in faults]


def _style_features(style: str) -> set[str]:
    used = set()
    for condition in re.findall(r"@media\s*\(([a-z-]+):", style):
        used.add(f"at-rule {condition}")
    for at in re.findall(r"@([a-z-]+)", style):
        if at != "media":
            used.add(f"at-rule {at}")
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", style):
        used |= {f"property {name}" for name, _ in declarations(body)}
        used |= {"selector !important"} if "!important" in body else set()
        used |= {"selector grouping"} if "," in selectors else set()
        for selector in selectors.split(","):
            used |= {f"selector {pseudo}" for pseudo in re.findall(r"::?[a-z-]+", selector)}
            simple = re.sub(r"::?[a-z-]+", "", selector).strip()
            if simple:
                kinds = {
                    ".": "selector class",
                    "#": "selector id",
                    "*": "selector universal",
                    "[": "selector attribute",
                }
                used.add(kinds.get(simple[0], "selector type"))
            if re.search(r"[>+~]", simple):
                used.add("selector combined")
            elif " " in simple:
                used.add("selector descendant")
    return used


def faults(html: str) -> list[str]:
    """What some client would not show as meant."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    found = list(reader.faults)
    style = reader.style
    if "/*" in style or "<!--" in style:
        found.append("client support: a comment in <style> makes some clients drop the rule after it")
    if len(style) > STYLE_LIMIT:
        found.append(f"client support: <style> of {len(style)} bytes")
    if re.search(r"\S!important|!IMPORTANT", style):
        found.append("client support: !important needs a space before it and lower case")
    for feature in sorted(reader.used | _style_features(style)):
        row = FEATURES.get(feature)
        if row is None and feature not in PLAIN:
            found.append(f"client support: {feature} is not in data/mail_clients.json")
        elif row and (row.get("no") or row.get("partly")) and not row.get("without"):
            found.append(f"client support: {feature} says nothing of readers without it")
    return found
