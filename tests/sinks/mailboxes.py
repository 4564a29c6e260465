"""Small IMAP and POP3 servers on loopback, holding letters in memory: just what a mailbox reader says to them."""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Stored:
    uid: int
    data: bytes
    flags: set[str] = field(default_factory=set)


class MailboxServer(socketserver.ThreadingTCPServer):
    """Base of both: `with ImapServer([b"…"]) as server`."""

    daemon_threads = True
    allow_reuse_address = True
    handler: type[socketserver.BaseRequestHandler]

    def __init__(self, letters: list[bytes], *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), self.handler)
        self.box = [Stored(uid, data) for uid, data in enumerate(letters, start=1)]
        self.credentials = ("bounces", "p@ss word")
        self.tls = tls
        self.port = self.server_address[1]
        self.sessions_ended = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()
        self.server_close()

    def get_request(self) -> tuple[object, object]:  # type: ignore[override]
        sock, address = super().get_request()
        if self.tls is not None:
            sock = self.tls.wrap_socket(sock, server_side=True)
        return sock, address

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that hang up are part of the tests


class _ImapHandler(socketserver.StreamRequestHandler):
    server: ImapServer

    def handle(self) -> None:
        self.say("* OK ready")
        while line := self.rfile.readline().decode().rstrip("\r\n"):
            tag, command, rest = [*line.split(" ", 2), "", ""][:3]
            self.answer(tag, command.upper(), rest)
            if command.upper() == "LOGOUT":
                self.server.sessions_ended += 1
                return

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def answer(self, tag: str, command: str, rest: str) -> None:
        user, password = self.server.credentials
        if command == "CAPABILITY":
            self.say(f"* CAPABILITY IMAP4rev1{' UIDPLUS' if self.server.has_uidplus else ''}")
        elif command == "LOGIN" and rest != f'{user} "{password}"':
            self.say(f"{tag} NO [AUTHENTICATIONFAILED] no such user or password")
            return
        elif command == "SELECT":
            if rest != '"INBOX"':
                self.say(f"{tag} NO no such folder")
                return
            self.say(f"* {len(self.server.box)} EXISTS")
            self.say(rf"* OK [PERMANENTFLAGS (\Seen \Flagged \Deleted{self.server.keywords})] limited")
        elif command == "UID":
            self.answer_uid(rest)
        elif command == "EXPUNGE":
            self.server.box = [letter for letter in self.server.box if r"\Deleted" not in letter.flags]
        self.say(f"{tag} OK done")

    def answer_uid(self, rest: str) -> None:
        verb, _, arguments = rest.partition(" ")
        if verb == "SEARCH":
            words = arguments.split()
            hidden = {f"\\{word[2:].title()}" for word in words if word in {"UNDELETED", "UNFLAGGED", "UNSEEN"}}
            hidden |= {word for word, before in zip(words[1:], words, strict=False) if before == "UNKEYWORD"}
            fresh = [x for x in self.server.box if not x.flags & hidden]
            self.say(" ".join(["* SEARCH", *(str(letter.uid) for letter in fresh)]))
            return
        if verb == "EXPUNGE":
            gone = {int(uid) for uid in arguments.split(",")}
            self.server.box = [x for x in self.server.box if x.uid not in gone or r"\Deleted" not in x.flags]
            return
        uid, _, arguments = arguments.partition(" ")
        letter = next(x for x in self.server.box if x.uid == int(uid))
        if verb == "STORE":
            letter.flags |= set(re.findall(r"\\?\w+", arguments.partition("(")[2]))
        elif match := re.fullmatch(r"\(BODY\.PEEK\[\]<0\.(\d+)>\)", arguments):
            data = letter.data[: int(match.group(1))]
            self.wfile.write(b"* 1 FETCH (UID %d BODY[]<0> {%d}\r\n%b)\r\n" % (letter.uid, len(data), data))


class ImapServer(MailboxServer):
    handler = _ImapHandler
    has_uidplus = True
    keywords = r" \*"  # what it says of keywords: any


class _Pop3Handler(socketserver.StreamRequestHandler):
    server: Pop3Server

    def handle(self) -> None:
        self.say("+OK ready")
        gone: set[int] = set()
        user = ""
        while line := self.rfile.readline().decode().rstrip("\r\n"):
            verb, _, rest = line.partition(" ")
            if verb == "USER":
                user = rest
            elif verb == "PASS" and (user, rest) != self.server.credentials:
                self.say("-ERR no such user or password")
                continue
            elif verb == "LIST":
                self.say("+OK")
                for letter in self.server.box:
                    self.say(f"{letter.uid} {len(letter.data)}")
                self.say(".")
                continue
            elif verb in {"RETR", "TOP"}:
                letter = next(x for x in self.server.box if x.uid == int(rest.split()[0]))
                lines = letter.data.splitlines()
                self.say("+OK")
                for text in lines if verb == "RETR" else lines[: int(rest.split()[1])]:
                    self.wfile.write((b"." if text.startswith(b".") else b"") + text + b"\r\n")
                self.say(".")
                continue
            elif verb == "DELE":
                gone.add(int(rest))
            elif verb == "QUIT":
                self.server.box = [letter for letter in self.server.box if letter.uid not in gone]
                self.server.sessions_ended += 1
                self.say("+OK bye")
                return
            self.say("+OK")

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


class Pop3Server(MailboxServer):
    handler = _Pop3Handler
