"""PostgreSQL and Redis behind TLS, as managed ones are: checked against an authority, refused when it is another."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from pytest_django.fixtures import Settings

from newsletter.monitoring import installation_checks
from newsletter.monitoring.mail_checks import Level
from tests.processes import Command
from tests.relay import new_key
from tests.services import RedisServer
from tests.test_settings import settings_of

OPTIONS = "sslmode=verify-full&sslrootcert="
ASK = (
    "from django.db import connection; connection.ensure_connection(); "
    "print('encrypted', connection.connection.pgconn.ssl_in_use)"
)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority, and its key."""
    key, name = new_key(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    folder.mkdir()
    (folder / "crt.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    (folder / "key.pem").chmod(0o600)
    return folder / "crt.pem", folder / "key.pem"


def test_what_stands_in_the_address_outranks_our_limits() -> None:
    options = settings_of(DATABASE_URL="postgres://u:p@db/n?sslmode=require&tcp_user_timeout=9000")["DATABASES"]
    assert options["default"]["OPTIONS"]["sslmode"] == "require"
    assert int(options["default"]["OPTIONS"]["tcp_user_timeout"]) == 9000
    assert options["default"]["OPTIONS"]["connect_timeout"] == 5


def asked(url: str, folder: Path) -> str:
    command = Command("shell", "-c", ASK, env={"DATABASE_URL": url, "DEBUG": "1"}, folder=folder)
    command.start()
    command.wait()
    return command.log_text()


@contextmanager
def in_front_of(server: int, folder: Path, *, asks_first: bool = False) -> Iterator[tuple[int, Path]]:
    """TLS before a server that was built without; PostgreSQL's clients ask for it in eight bytes before."""
    crt, key = certificate(folder / "front")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def pump(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    target.sendall(data)
            with suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    plain, _address = listening.accept()
                    try:
                        if asks_first and plain.recv(8):
                            plain.sendall(b"S")
                        outside = context.wrap_socket(plain, server_side=True)
                    except OSError:
                        continue
                    inside = socket.create_connection(("127.0.0.1", server))
                    for pair in ((outside, inside), (inside, outside)):
                        threading.Thread(target=pump, args=pair, daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1], crt


@pytest.mark.services
def test_a_postgres_with_tls_is_checked_against_its_authority(database_url: str, tmp_path: Path) -> None:
    server = urlsplit(database_url)
    with in_front_of(server.port or 0, tmp_path, asks_first=True) as (port, authority):
        url = database_url.replace(f":{server.port}/", f":{port}/")
        assert "encrypted True" in asked(f"{url}?{OPTIONS}{authority}", tmp_path)
        other, _key = certificate(tmp_path / "other")
        said = asked(f"{url}?{OPTIONS}{other}", other.parent)
        assert "certificate verify failed" in said
        assert "encrypted True" not in said
    assert "server does not support SSL" in asked(f"{database_url}?sslmode=require", authority.parent)


@pytest.mark.services
@pytest.mark.django_db
def test_a_redis_with_tls_takes_tasks_and_another_authority_is_refused(
    redis_server: RedisServer, settings: Settings, tmp_path: Path
) -> None:
    with in_front_of(redis_server.port, tmp_path) as (port, authority):
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={authority}"
        settings.REDIS_URL = url
        assert Level.PROBLEM not in [finding.level for finding in installation_checks.broker()]
        publish = "from newsletter import tasks; tasks.score.apply_async(); print('asked')"
        command = Command("shell", "-c", publish, env={"REDIS_URL": url, "DEBUG": "1"}, folder=tmp_path)
        command.start()
        assert command.wait() == 0, command.log_text()
        assert redis_server.client().llen("paperboy:maintenance") == 1
        other, _key = certificate(tmp_path / "other")
        settings.REDIS_URL = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={other}"
        assert [finding.level for finding in installation_checks.broker()] == [Level.PROBLEM]
