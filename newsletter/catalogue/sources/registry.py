"""Every source there is, found by listing this folder: nothing outside a source's own file names it. Pure.

Out: what each module declares about itself (`observation.Origin`), and of those that are asked over the network, their
`observation.Source`.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from typing import cast

from newsletter.catalogue import sources
from newsletter.catalogue.sources.observed_paper import Origin, Source


@cache
def origins() -> dict[str, Origin]:
    """Every module here that declares SOURCE, by that name."""
    modules = (import_module(f"{sources.__name__}.{found.name}") for found in pkgutil.iter_modules(sources.__path__))
    return {module.SOURCE: cast("Origin", module) for module in modules if hasattr(module, "SOURCE")}


@cache
def polled() -> dict[str, Source]:
    """Sources that are asked over the network; those that bring papers come first."""
    found = [cast("Source", origin) for origin in origins().values() if hasattr(origin, "POLL_EVERY")]
    return {source.SOURCE: source for source in sorted(found, key=lambda source: source.QUIET_AFTER is None)}
