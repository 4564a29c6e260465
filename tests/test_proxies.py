"""deploy/nginx.conf and Caddyfile before the real site: slow senders wait in the proxy, one-click leaves pass."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from tests.house import wait_until
from tests.processes import ROOT, Command, Site
from tests.relay import new_key, program
from tests.services import die_with_parent, free_port

pytestmark = pytest.mark.system

SLOW = 30  # connections; the site has eight threads, and lets one network use two of them for bodies
ONE_CLICK = "List-Unsubscribe=One-Click"


@dataclass
class Ports:
    plain: int
    tls: int
    site: int
    log: Path


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def ports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    folder = tmp_path_factory.mktemp("site")
    env = {"DEBUG": "1", "TRUSTED_PROXY_COUNT": "1", "DATABASE_URL": f"sqlite:///{folder / 'site.sqlite3'}"}
    migrate = Command("migrate", env=env, folder=folder)
    migrate.start()
    assert migrate.wait() == 0, migrate.log_text()
    site = Site(env=env, folder=folder)
    site.start()
    place = Path(tempfile.mkdtemp(prefix="paperboy-proxy-"))
    proxy = Caddy if request.param == "caddy" else Nginx
    try:
        with proxy(place, site_port=site.port) as (plain, tls):
            yield Ports(plain, tls, site.port, place / "log")
    finally:
        site.terminate()
        shutil.rmtree(place)


class Nginx:
    """nginx with our file, but for ports, places and shorter deadlines; as root with what compose lets it do."""

    def __init__(self, place: Path, *, site_port: int) -> None:
        self.plain, self.tls = free_port(), free_port()
        place.chmod(0o755)  # its workers are nobody
        _write_certificate(place)
        text = (ROOT / "deploy/nginx.conf").read_text()
        temporary = "".join(f"{name}_temp_path {place}/{name};" for name in _TEMPORARY)
        for said, here in (
            ("/run/nginx.pid", f"{place}/pid"),
            ("/etc/nginx/tls", str(place)),
            ("web:8000", f"127.0.0.1:{site_port}"),
            ("listen 8080", f"listen 127.0.0.1:{self.plain}"),
            ("listen 8443", f"listen 127.0.0.1:{self.tls}"),
            ("client_header_timeout 10s", "client_header_timeout 2s"),
            ("client_body_timeout 10s", "client_body_timeout 2s"),
            ("http {", f"http {{ {temporary}"),
        ):
            assert said in text, said
            text = text.replace(said, here)
        self.conf = place / "nginx.conf"
        self.conf.write_text(text)
        self.log = place / "log"

    def command(self) -> list[str]:
        nginx = program("nginx", package="nginx")
        return [*_as_in_compose(), nginx, "-c", str(self.conf), "-g", "daemon off;"]

    def __enter__(self) -> tuple[int, int]:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                env={**os.environ, "HOME": str(self.log.parent)},
                preexec_fn=die_with_parent(signal.SIGTERM),
                start_new_session=True,
            )
        while not _answers(self.tls):
            assert self.process.poll() is None, self.log.read_text()
        return self.plain, self.tls

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


_OF_THIS_MACHINE = "\tadmin off\n\tdefault_bind 127.0.0.1\n\tauto_https disable_redirects\n\tdefault_sni localhost\n"


class Caddy(Nginx):
    """Caddy with our file, but for ports, host, certificate and shorter deadlines."""

    def __init__(self, place: Path, *, site_port: int) -> None:
        self.plain, self.tls = free_port(), free_port()
        _write_certificate(place)
        text = (ROOT / "deploy/Caddyfile").read_text()
        for said, here in (
            ("\nhttp://papers.example.org {", f"\nhttp://localhost:{self.plain} {{"),
            (
                "\npapers.example.org {",
                f"\nhttps://localhost:{self.tls} {{\n\ttls {place}/fullchain.pem {place}/privkey.pem",
            ),
            ("127.0.0.1:8000", f"127.0.0.1:{site_port}"),
            ("read_header 10s", "read_header 2s"),
            ("read_body 10s", "read_body 2s"),
            ("\tservers {", f"{_OF_THIS_MACHINE}\tservers {{"),
        ):
            assert said in text, said
            text = text.replace(said, here)
        self.conf = place / "Caddyfile"
        self.conf.write_text(text)
        self.log = place / "log"

    def command(self) -> list[str]:
        return [program("caddy", package="caddy"), "run", "--config", str(self.conf), "--adapter", "caddyfile"]


_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def _as_in_compose() -> list[str]:
    if os.geteuid() != 0:
        return []
    proxy = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["proxy"]
    assert proxy["cap_drop"] == ["ALL"]
    kept = ",".join(f"+{name.lower()}" for name in proxy["cap_add"])
    return ["setpriv", "--no-new-privs", "--bounding-set", f"-all,{kept}"]


def _write_certificate(place: Path) -> None:
    key, name = new_key(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    (place / "privkey.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    (place / "fullchain.pem").write_bytes(certificate)


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def ask(port: int, method: str, path: str, *, body: str | None = None, is_tls: bool = False) -> Any:
    kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
    more = {"context": _unverified()} if is_tls else {}
    headers = {"Host": "localhost", "Content-Type": "application/x-www-form-urlencoded"}
    with closing(kind("127.0.0.1", port, timeout=60, **more)) as connection:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer


def opened(port: int, start: bytes) -> socket.socket:
    """A connection by TLS on which the beginning of a request has been sent."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=60)
    slow = _unverified().wrap_socket(plain)
    slow.sendall(start)
    return slow


def drip(held: list[socket.socket], stop: threading.Event, done: threading.Event) -> None:
    """One byte on each connection again and again, until told to stop or until nginx has ended them all."""
    alive = list(held)
    while alive and not stop.wait(0.2):
        for each in list(alive):
            try:
                each.sendall(b"a")
            except OSError:
                alive.remove(each)
    done.set()


HEADERS = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
BODY = b"POST /subscribe/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.parametrize("start", [HEADERS, BODY], ids=["headers", "bodies"])
def test_what_comes_byte_by_byte_waits_in_the_proxy_and_holds_none_of_the_sites_threads(
    start: bytes, ports: Ports
) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(opened(ports.tls, start)) for _ in range(SLOW)]
        stop, done = threading.Event(), threading.Event()
        stack.callback(stop.set)
        threading.Thread(target=drip, args=(held, stop, done), daemon=True).start()
        for _ in range(20):
            assert ask(ports.tls, "GET", "/healthz", is_tls=True).status == 200
            assert ask(ports.plain, "GET", "/healthz").status == 200
            assert ask(ports.site, "GET", "/healthz").status == 200
            # The site reads two bodies of one network at a time and answers 503 beyond: it saw none of the slow ones.
            assert ask(ports.tls, "POST", "/subscribe/", body="email=x", is_tls=True).status == 200
        # Headers have one deadline, and a body one between two bytes: the readers of slow ones just wait.
        assert start is BODY or done.wait(60), "the proxy never ended a request whose headers do not end"


def test_one_click_passes_unredirected_by_both_doors_and_pages_only_by_tls(ports: Ports) -> None:
    for path in ("/u/abcdefghijklmnopqrstuvwx", "/u/abcdefghijklmnopqrstuvwx/"):
        assert ask(ports.plain, "POST", path, body=ONE_CLICK).status == 200
        assert ask(ports.tls, "POST", path, body=ONE_CLICK, is_tls=True).status == 200
    page = ask(ports.plain, "GET", "/subscribe/?a=b")
    assert (page.status, page.headers["Location"]) == (308, "https://localhost/subscribe/?a=b")
    assert ask(ports.tls, "GET", "/subscribe/", is_tls=True).status == 200


def test_the_proxys_log_keeps_no_link_that_stands_for_a_person(ports: Ports) -> None:
    token = "abcdefghijklmnopqrstuvwy"
    for place in ("u", "d", "c", "r", "confirm", "preferences", "move"):
        ask(ports.tls, "GET", f"/{place}/{token}", is_tls=True)
    # A proxy writes a line after the answer has left.
    wait_until(lambda: ports.log.read_text().count("/...") >= 7, "the proxy never wrote all seven lines")
    assert token not in ports.log.read_text()


def test_numbers_stay_behind_the_proxy(ports: Ports) -> None:
    assert ask(ports.tls, "GET", "/metrics", is_tls=True).status == 404
    assert ask(ports.tls, "GET", "/healthz", is_tls=True).status == 200
