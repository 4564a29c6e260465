"""A real relay on loopback: an instance of Debian's postfix of our own, and OpenDKIM signing for it when asked to.

Comes in: the port everything is forwarded to, and a key. Goes out: servers with configuration, queue and log in a
folder of their own, which leave the machine's own postfix alone. Not to be had here (no binary, not root) is a
failure with one sentence, never a skip.
"""

from __future__ import annotations

import os
import pwd
import shutil
import smtplib
import socket

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.services import LocalServer, ServiceMissing

SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/lib/postfix/sbin"])
# What the operator's handbook tells people to write (docs/operations.md, "If the relay signs").
SIGN_HEADERS = (
    "*,+List-Unsubscribe-Post,+Message-ID,+MIME-Version,+Content-Type,+Content-Transfer-Encoding,+Feedback-ID"
    ",+Auto-Submitted"
)
OVERSIGN_HEADERS = "From,To,Subject,Date,Reply-To"
QUEUES = [
    *("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid", "private"),
    *("public", "saved", "trace"),
]
# name, type, private, unprivileged, chroot, wake-up, limit, command: what accepts, queues and forwards, and no more.
SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def program(name: str, *, package: str) -> str:
    """Where a program of the system stands. Debian keeps them off an ordinary path."""
    found = shutil.which(name, path=SYSTEM_PATH)
    if not found:
        raise ServiceMissing(f"The relay tests need {package}: apt-get install {package} (`.ci/run` does).")
    return found


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class OpenDkim(LocalServer):
    """Signs what a relay shows it. With ``options`` left empty it signs the fields it would by itself."""

    name = "opendkim"

    def __init__(
        self, key: rsa.RSAPrivateKey, *, domain: str, selector: str, options: dict[str, str] | None = None
    ) -> None:
        self._program = program("opendkim", package="opendkim")
        super().__init__()
        private = self.folder / "private.pem"
        private.touch(mode=0o600)
        private.write_bytes(pem(key))
        settings = {
            "Background": "no", "Mode": "s", "Socket": f"inet:{self.port}@127.0.0.1", "Domain": domain,
            "Selector": selector, "KeyFile": str(private), "Canonicalization": "relaxed/relaxed",
            "RequireSafeKeys": "no",  # it calls no folder below /tmp safe
            "MinimumKeyBits": "2048", "InternalHosts": "127.0.0.1", "PidFile": str(self.folder / "opendkim.pid"),
        }  # fmt: skip
        lines = [f"{name} {value}\n" for name, value in (settings | (options or {})).items()]
        (self.folder / "opendkim.conf").write_text("".join(lines))

    @property
    def url(self) -> str:
        """As postfix wants it."""
        return f"inet:127.0.0.1:{self.port}"

    def _command(self) -> list[str]:
        return [self._program, "-f", "-x", str(self.folder / "opendkim.conf")]

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Postfix(LocalServer):
    """Takes mail from this machine and forwards all of it to 127.0.0.1:``to``. ``milter`` sees each message first."""

    name = "postfix"

    def __init__(self, *, to: int, milter: str = "") -> None:
        self._program = program("master", package="postfix")
        if os.geteuid() != 0:
            raise ServiceMissing("The relay tests run a postfix of their own, which only root can start: run as root.")
        super().__init__()
        self.folder.chmod(0o711)  # its processes give up root and still find their data
        owner = pwd.getpwnam("postfix")
        settings, queue, data = (self.folder / part for part in ("etc", "queue", "data"))
        for folder in (settings, queue, data):
            folder.mkdir(mode=0o755)
        for name in QUEUES:
            (queue / name).mkdir(mode=0o700 if name != "public" else 0o755)
            if name != "pid":
                os.chown(queue / name, owner.pw_uid, -1)
        os.chown(data, owner.pw_uid, -1)
        (settings / "master.cf").write_text(SERVICES.format(port=self.port))
        parameters = {
            "compatibility_level": "3.6", "queue_directory": queue, "data_directory": data, "maillog_file": self.log,
            "maillog_file_prefixes": self.folder, "myhostname": "relay.example.org", "mydestination": "",
            "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8",
            "alias_maps": "", "alias_database": "", "local_recipient_maps": "", "smtp_dns_support_level": "disabled",
            "smtpd_relay_restrictions": "permit_mynetworks, reject", "relayhost": f"[127.0.0.1]:{to}",
            "smtpd_milters": milter, "milter_default_action": "tempfail",
        }  # fmt: skip
        (settings / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in parameters.items()))

    @property
    def url(self) -> str:
        """As EMAIL_URL wants it."""
        return f"smtp://127.0.0.1:{self.port}"

    def _command(self) -> list[str]:
        return [self._program, "-c", str(self.folder / "etc"), "-s"]

    def _answers(self) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=5) as session:
                return session.noop()[0] == 250
        except (OSError, smtplib.SMTPException):
            return False
