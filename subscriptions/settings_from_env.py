"""Typed readers of environment variables for the settings. Each refuses a wrong value with one sentence.

In: `os.environ`, filled up from a `.env` file. Out: checked values, or ImproperlyConfigured that names the variable and
says what is wanted. An empty variable counts as not set. A value is taken as it stands: `$` has no meaning here.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import math
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from subscriptions.addresses import is_loopback

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN = rf"(?:[a-z0-9_-]{{1,63}}\.){{0,20}}{_LABEL}"
HOST = rf"\*|\.?{DOMAIN}|\[[0-9a-f:.]+\]"  # as ALLOWED_HOSTS takes them
_SERVER = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?", re.IGNORECASE)  # of a network of containers too
ADDRESS = rf"[^\s@<>(),;:\"]{{1,64}}@{DOMAIN}"
_LONGEST = 2_000
_OF_THIS_MACHINE = {"consolemail", "filemail", "memorymail", "dummymail"}  # Django's backends without a server
_LEAST_RATE = 0.001  # a message in a quarter of an hour; less would put deliveries off beyond the calendar
_ALIKE = 0.85


class Environment:
    """Reads variables, one method a kind of value. `names` holds those asked for, to find misspelt ones."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values
        self.names: set[str] = set()

    def refusal(self, name: str, wanted: str) -> ImproperlyConfigured:
        return ImproperlyConfigured(f"{name} must be {wanted}, not {self.values.get(name)!r}. See .env.example.")

    def secret_refusal(self, name: str, wanted: str) -> ImproperlyConfigured:
        """A refusal that does not repeat the value: it is, or may hold, a password."""
        return ImproperlyConfigured(f"{name} must be {wanted}. See .env.example.")

    def address_refusal(self, name: str, wanted: str) -> ImproperlyConfigured:
        """A refusal that repeats no address with an @: its password stands before that."""
        return (self.secret_refusal if "@" in self.values.get(name, "") else self.refusal)(name, wanted)

    def text(self, name: str, default: str = "") -> str:
        """Text on one line. Control characters would end up in mail headers, a very long one is a pasted file."""
        self.names.add(name)
        value = self.values.get(name, "")
        if not value.isprintable() or len(value) > _LONGEST:
            raise self.secret_refusal(name, f"one line of at most {_LONGEST} printable characters")
        return value.strip() or default

    def matching(self, name: str, pattern: str, wanted: str, default: str = "") -> str:
        value = self.text(name, default)
        if value and not re.fullmatch(pattern, value, re.IGNORECASE):
            raise self.refusal(name, wanted)
        return value

    def several(self, name: str, pattern: str, wanted: str, default: Iterable[str] = ()) -> list[str]:
        """Values separated by commas; a variable that is set but empty is an empty list."""
        if name not in self.values:
            self.names.add(name)
            return [*default]
        found = [part.strip() for part in self.text(name).split(",") if part.strip()]
        if not all(re.fullmatch(pattern, part, re.IGNORECASE) for part in found):
            raise self.refusal(name, wanted)
        return found

    def domain(self, name: str, default: str = "") -> str:
        return self.matching(name, DOMAIN, "a host name such as mail.example.org", default)

    def mailbox(self, name: str, default: str = "") -> str:
        """A mail address, with a name before it or without."""
        wanted = "a mail address such as 'Paperboy <digest@example.org>'"
        return self.matching(name, rf"{ADDRESS}|[^<>]*<{ADDRESS}>", wanted, default)

    def bare_mailbox(self, name: str) -> str:
        return self.matching(name, ADDRESS, "a mail address such as unsubscribe@example.org")

    def networks(self, name: str) -> list[IPv4Network | IPv6Network]:
        """Networks such as 10.0.0.0/8; a single address is one of itself."""
        try:
            return [ip_network(one, strict=False) for one in self.several(name, r".+", "networks")]
        except ValueError:
            raise self.refusal(name, "networks separated by commas, such as 10.0.0.0/8,::1") from None

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.text(name).lower()
        if value not in {"", "0", "1", "false", "true", "off", "on", "no", "yes"}:
            raise self.refusal(name, "1 or 0")
        return value in {"1", "true", "on", "yes"} if value else default

    def whole(self, name: str, default: int, at_least: int, at_most: int) -> int:
        value = self.text(name)
        if not re.fullmatch(r"-?[0-9]{1,20}|", value) or not at_least <= int(value or default) <= at_most:
            raise self.refusal(name, f"a whole number from {at_least} to {at_most}")
        return int(value or default)

    def number(self, name: str, default: float, at_least: float, at_most: float) -> float:
        number = _number(self.text(name) or str(default))
        if number is None or not at_least <= number <= at_most:
            raise self.refusal(name, f"a number from {at_least:g} to {at_most:g}")
        return number

    def rate(self, name: str, default: float, at_most: float) -> float:
        """Messages a second; 0 stands for no limit."""
        number = _number(self.text(name) or str(default))
        if number is None or not (number == 0 or _LEAST_RATE <= number <= at_most):
            raise self.refusal(name, f"a number from {_LEAST_RATE:g} to {at_most:g}, or 0 for no limit")
        return number

    def rates(self, name: str, at_most: float) -> dict[str, float]:
        """`gmail.com=20,default=50`: a rate a recipient domain."""
        found = {}
        for part in filter(None, (part.strip() for part in self.text(name).split(","))):
            domain, _, value = (side.strip() for side in part.partition("="))
            number = _number(value)
            if (
                not re.fullmatch(DOMAIN, domain, re.IGNORECASE)
                or number is None
                or not _LEAST_RATE <= number <= at_most
            ):
                raise self.refusal(name, "domains with messages a second, such as gmail.com=20,default=50")
            found[domain.lower()] = number
        return found

    def day(self, name: str) -> str:
        """A date as 2026-03-18, else empty."""
        value = self.text(name)
        try:
            return date.fromisoformat(value).isoformat() if value else ""
        except ValueError:
            raise self.refusal(name, "a date such as 2026-03-18") from None

    def one_of(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.text(name, default)
        if value not in choices:
            raise self.refusal(name, " or ".join(choices))
        return value

    def some_of(self, name: str, choices: Iterable[str], default: Iterable[str]) -> list[str]:
        choices = [*choices]
        return self.several(name, "|".join(map(re.escape, choices)), f"any of {', '.join(choices)}", default)

    def options(self, name: str) -> dict[str, Any]:
        """A JSON object."""
        try:
            value = json.loads(self.text(name) or "{}")
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise self.secret_refusal(name, 'a JSON object such as {"POSTMARK_SERVER_TOKEN": "…"}')
        return value

    def folder(self, name: str, default: Path) -> Path:
        return Path(self.text(name, str(default))).expanduser()

    def writable_folder(self, name: str, default: Path) -> Path:
        """A folder, made when it is missing."""
        folder = self.folder(name, default)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            wanted = f"a folder that can be written to ({folder}: {error.strerror})"
            raise self.secret_refusal(name, wanted) from None
        return folder

    def certificates(self, name: str) -> str:
        """The path of a file of certificate authorities (PEM), else empty."""
        return self._file(name, "a file of certificates (PEM)", lambda path: ssl.create_default_context(cafile=path))

    def signing_key(self, name: str) -> str:
        """The path of a private RSA key (PEM) of 2048 bits or more, else empty."""
        return self._file(name, "the file of an unencrypted RSA key (PEM) of 2048 bits or more", _check_rsa_key)

    def _file(self, name: str, wanted: str, check: Callable[[str], object]) -> str:
        path = self.text(name)
        if path:
            try:
                check(path)
            except (OSError, ValueError, TypeError) as error:
                raise self.refusal(name, f"{wanted} ({getattr(error, 'strerror', None) or error})") from None
        return path

    def dotted_path(self, name: str) -> str:
        """`package.module.name` whose module exists. apps.py imports the name itself, when Django has started."""
        path = self.matching(name, r"[a-z_]\w*(\.[a-z_]\w*)+", "a dotted path such as mysite.guards.is_person")
        if path:
            try:
                module = importlib.util.find_spec(path.rpartition(".")[0])
            except (ImportError, ValueError):
                module = None
            if module is None:
                raise self.refusal(name, f"in a module that can be imported ({path.rpartition('.')[0]} cannot)")
        return path

    def service(self, name: str, schemes: Mapping[str, bool], example: str, default: str = "") -> str:
        """The address of a server. `schemes` tells which exist and whether they encrypt."""
        value = self.text(name, default)
        if value and (reason := _wrong_with_service(value, schemes)):
            raise self.address_refusal(name, f"an address such as {example} ({reason})")
        return value

    def services(self, name: str, schemes: Mapping[str, bool], example: str) -> list[str]:
        """Addresses of servers separated by commas, each with ?weight=N or without."""
        found = self.several(name, r".+", "", default=())
        for value in found:
            reason = _wrong_with_service(value, schemes)
            weight = re.search(r"[?&]weight=([^&]*)", value)
            if weight and not re.fullmatch(r"[0-9]{1,6}", weight[1]):
                reason = "the weight is a whole number"
            if reason:
                raise self.address_refusal(name, f"addresses such as {example} ({reason})")
        return found

    def site_url(self, name: str, value: str, *, encrypted: bool) -> SplitResult:
        """The site's own address: scheme and host, perhaps a port, nothing behind."""
        try:
            parts = urlsplit(value)
            is_right = bool(is_server(parts.hostname or "") and parts.port != 0 and not parts.username)
        except ValueError:
            is_right = False
        if not is_right or parts.scheme not in {"http", "https"} or value != f"{parts.scheme}://{parts.netloc}":
            wanted = "a full address such as https://papers.example.org, without a path"
            raise ImproperlyConfigured(f"{name} must be {wanted}, not {value!r}. See .env.example.")
        if encrypted and parts.scheme != "https":
            raise ImproperlyConfigured(f"{name} must start with https:// when DEBUG is off, not {value!r}.")
        return parts

    def database(self, name: str, default: str) -> dict[str, Any]:
        """The settings of Django's one database."""
        wanted = "an address such as postgres://user:password@host:5432/name, or sqlite:////var/lib/paperboy.sqlite3"
        value = self.text(name, default)
        if value.partition("://")[0] not in {*environ.Env.POSTGRES_FAMILY, "sqlite"}:
            raise self.address_refusal(name, wanted)
        try:
            config: dict[str, Any] = environ.Env.db_url_config(value)
        except ValueError:
            raise self.address_refusal(name, f"{wanted} (the port is a number up to 65535)") from None
        hosts = str(config["HOST"]).split(",")
        if not config["NAME"] or not all(not host or host.startswith("/") or is_server(host) for host in hosts):
            raise self.address_refusal(name, f"{wanted} (it names no database, or no host that can exist)")
        return config

    def mail_server(self, name: str, schemes: Mapping[str, bool], default: str) -> dict[str, Any]:
        """Django's EMAIL_* settings."""
        value = self.service(name, schemes, "smtp+tls://user:password@host:587", default)
        config: dict[str, Any] = environ.Env.email_url_config(value)
        return config

    def references(self) -> list[str]:
        """Names of the settings whose value reads like another variable's name, `$NAME` or `${NAME}`."""
        return sorted(name for name in self.names if re.match(r"\$(\w*[A-Za-z_]|\{\w+\})", self.values.get(name, "")))

    def misspelt(self) -> list[str]:
        """A sentence for each variable that is not ours and looks much like one of ours that is not set."""
        unset = sorted(name for name in self.names if name not in self.values)
        return [
            f"{given} is no setting of Paperboy: is {alike[0]} meant?"
            for given in sorted(self.values)
            if given not in self.names and "_" in given
            if (alike := difflib.get_close_matches(given.upper(), unset, n=1, cutoff=_ALIKE))
        ]


def read_file(values: Mapping[str, str], default: Path) -> None:
    """Fill the environment up from ENV_FILE, or from `default` where that exists. What is set already stays."""
    named = values.get("ENV_FILE", "")
    path = Path(named or default)
    if named and (not path.exists() or path.is_dir()):
        raise ImproperlyConfigured(
            f"ENV_FILE must be a file of settings, not {named!r}: there is none. Mend or unset it."
        )
    try:
        if path.is_file():
            _check_lines(path)
            environ.Env.read_env(path)
    except OSError as error:
        raise ImproperlyConfigured(f"{path} cannot be read ({error.strerror}). Let this user read it.") from None
    except UnicodeDecodeError:
        raise ImproperlyConfigured(f"{path} must be text in UTF-8. Save it as such.") from None


def _check_lines(path: Path) -> None:
    for number, line in enumerate(path.read_bytes().decode().splitlines(), start=1):
        if not re.match(r"\s*(#|$)|(export )?\w+=", line, re.ASCII):
            raise ImproperlyConfigured(
                f"{path}, line {number}: write NAME=value, without spaces around the =, or # first."
            )


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def is_server(host: str) -> bool:
    try:
        return bool(ip_address(host.strip("[]")))
    except ValueError:
        return _SERVER.fullmatch(host) is not None


def _wrong_with_service(value: str, schemes: Mapping[str, bool]) -> str:
    """What is wrong with the address of a server, in words that do not repeat its password; empty: nothing."""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "the port is a number up to 65535; signs such as / # ? in a password are written %2F %23 %3F"
    if parts.scheme not in schemes:
        return f"it starts with {', '.join(f'{scheme}://' for scheme in schemes)}"
    if parts.scheme in _OF_THIS_MACHINE:
        return ""
    if parts.scheme in {"maildir", "unix"}:
        return "" if parts.path.strip("/") and not host else "three slashes, then the path"
    if not is_server(host) or port == 0:
        return "it names no host that can exist"
    if parts.scheme.startswith("redis") and not re.fullmatch(r"/?[0-9]{0,5}", parts.path):
        return "behind the host stands the number of a database, or nothing"
    if parts.password and not schemes[parts.scheme] and not is_loopback(host):
        return "its password would travel unencrypted"
    return ""


def _check_rsa_key(path: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(Path(path).read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < 2048:
        raise ValueError("it is another kind of key, or a shorter one")
