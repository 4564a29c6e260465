"""Sender Policy Framework (RFC 7208): one record, few enough lookups, an end that refuses other senders.

In: a domain and how to ask the DNS. Out: one finding.
"""

from __future__ import annotations

import re

from newsletter.monitoring.mail_checks.findings import Finding, Level, Lookup

SPF_LOOKUPS_MAX = 10  # §4.6.4
_SPF_TERM = re.compile(r"[+?~-]?(?P<name>[a-z][a-z0-9._-]*)(?P<separator>[:=/]?)(?P<value>\S*)", re.IGNORECASE)


class _SpfError(Exception):
    """An invalid record, which receivers ignore."""


def check_spf(domain: str, *, lookup: Lookup) -> Finding:
    subject = f"SPF of {domain}"
    try:
        record = _spf_record(domain, lookup)
        if not record:
            text = f'None. Publish a TXT record at {domain}: "v=spf1 include:<your relay\'s domain> -all".'
            return Finding(Level.PROBLEM, subject, text)
        lookups, ending = _spf_cost(domain, record, lookup=lookup, above=())
    except _SpfError as error:
        return Finding(Level.PROBLEM, subject, f"{error} Receivers take such a record for an error.")
    if lookups > SPF_LOOKUPS_MAX:
        text = f"{lookups} DNS lookups, {SPF_LOOKUPS_MAX} are allowed: take out includes that no longer send for you."
        return Finding(Level.PROBLEM, subject, text)
    if ending == "+":
        return Finding(Level.PROBLEM, subject, "+all lets everybody send in your name. End it with -all or ~all.")
    if ending not in {"-", "~"}:
        return Finding(
            Level.ADVICE, subject, "It does not say what holds for everybody else: end it with -all or ~all."
        )
    return Finding(Level.OK, subject, f"{lookups} of {SPF_LOOKUPS_MAX} lookups, ends with {ending}all.")


def _spf_record(domain: str, lookup: Lookup) -> str:
    records = [text for text in lookup(domain, "TXT") if re.match(r"v=spf1(\s|$)", text, re.IGNORECASE)]
    if len(records) > 1:
        raise _SpfError(f"{domain} has {len(records)} records; join them into one.")
    return records[0] if records else ""


def _spf_cost(domain: str, record: str, *, lookup: Lookup, above: tuple[str, ...]) -> tuple[int, str]:
    """Return how many DNS lookups the record costs a receiver, and the qualifier of its ``all`` ("" without one)."""
    if domain in above:
        raise _SpfError(f"{domain} includes itself.")
    cost, ending, redirect = 0, "", ""
    for term in record.split()[1:]:
        match = _SPF_TERM.fullmatch(term)
        if match is None:
            raise _SpfError(f"{term!r} is no term of SPF.")
        name, value = match["name"].lower(), match["value"].lower().rstrip(".")
        if name == "all":
            ending = term[0] if term[0] in "+-~?" else "+"
        elif name == "redirect" and match["separator"] == "=":
            redirect = value
        elif name in {"a", "mx", "ptr", "exists"}:
            cost += 1
        elif name == "include":
            cost += 1 + _spf_cost_of_other(value, lookup=lookup, above=(*above, domain))[0]
        elif name not in {"ip4", "ip6"} and match["separator"] != "=":
            raise _SpfError(f"{term!r} is no term of SPF.")
    if redirect and not ending:
        more, ending = _spf_cost_of_other(redirect, lookup=lookup, above=(*above, domain))
        cost += 1 + more
    return cost, ending


def _spf_cost_of_other(domain: str, *, lookup: Lookup, above: tuple[str, ...]) -> tuple[int, str]:
    if "%" in domain:  # a macro, different for each mail: cannot be followed here
        return 0, ""
    record = _spf_record(domain, lookup)
    if not record:
        raise _SpfError(f"It leads to {domain}, which has no SPF record.")
    return _spf_cost(domain, record, lookup=lookup, above=above)
