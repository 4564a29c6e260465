"""deploy/systemd: systemd takes every unit, and what they start is what runs."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.processes import ROOT, Program
from tests.relay import program
from tests.services import free_port

FOLDER = ROOT / "deploy/systemd"
UNITS = sorted(path.name for path in FOLDER.iterdir() if path.is_file())


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with this checkout in the place of the server's folder."""
    folder = tmp_path / "units"
    shutil.copytree(FOLDER, folder)
    for path in folder.rglob("*.*"):
        if path.is_file():
            path.write_text(path.read_text().replace("/srv/paperboy", str(ROOT)))
    return folder


@pytest.mark.system
@pytest.mark.parametrize("unit", UNITS)
def test_systemd_takes_every_unit(unit: str, units: Path) -> None:
    if unit.endswith("@.service"):
        shutil.copy(units / unit, units / unit.replace("@.", "@digest."))
        unit = unit.replace("@.", "@digest.")
    env = {**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:/lib/systemd/system"}
    command = [program("systemd-analyze", package="systemd"), "verify", "--man=no", str(units / unit)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "paperboy" in line]
    assert (done.returncode, ours) == (0, [])


def started_by(unit: str) -> list[str]:
    (line,) = re.findall(r"^ExecStart=(.+)$", (FOLDER / unit).read_text(), flags=re.MULTILINE)
    return shlex.split(line.replace("%%", "%"))


def test_site_and_beat_start_as_in_docker() -> None:
    """But for the address, which is this machine's alone, and the place of beat's file."""
    image = re.search(r"^CMD (\[.+\])$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert image
    in_docker: list[str] = yaml.safe_load(image[1])
    assert [*started_by("paperboy-site.service")[1:]] == [
        part.replace("0.0.0.0", "127.0.0.1") for part in in_docker[1:]
    ]
    beat = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["beat"]["command"]
    assert started_by("paperboy-beat.service")[1:-1] == beat[1:-1]


def test_workers_take_every_queue() -> None:
    queues = re.search(r"worker@\{([a-z,]+)\}", (FOLDER / "paperboy-worker@.service").read_text())
    assert queues
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    commands = [service["command"] for name, service in compose.items() if name.startswith("worker")]
    taken = {queue for command in commands for queue in command[command.index("-Q") + 1].split(",")}
    assert set(queues[1].split(",")) == taken


def test_the_site_tells_systemd_when_it_is_ready(tmp_path: Path, migrated_file: Path) -> None:
    shutil.copy(migrated_file, tmp_path / "site.sqlite3")
    command = started_by("paperboy-site.service")[1:]
    command = ["-m", "gunicorn", *(part.replace(":8000", f":{free_port()}") for part in command)]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(tmp_path / "notify"))
        notified.settimeout(60)
        env = {
            "DEBUG": "1",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'site.sqlite3'}",
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "LOG_FORMAT": "json",
        }
        site = Program("site", command, env=env, folder=tmp_path, ready='"Booting worker')
        try:
            site.start()
            assert b"READY=1" in notified.recv(4096)
        finally:
            site.terminate()
    assert '"logger": "gunicorn.error"' in site.log_text()
