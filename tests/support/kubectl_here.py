"""A kubectl for tests: a program on the PATH that keeps objects in a folder and runs the load's pod on this machine.

It answers the commands that a campaign uses as the real one does: create, get, delete, logs, exec. `pods.json` of its
folder says what the pods of each attempt are, and `measured-N` is what the load of attempt N leaves in its folder. A
file `refuse` names a command to refuse, and how often where not always; `noise` is what every exec
prints beside its output.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

PROGRAM = """#!{python} -IS
import json, os, pathlib, subprocess, sys
place = pathlib.Path({place!r})
words = [w for w in sys.argv[1:] if not w.startswith(("--context=", "--namespace="))]
with (place / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
verb, rest = words[0], words[1:]
attempt = len(list(place.glob("created-*")))
command = "get-pods" if words[:2] == ["get", "pods"] else verb
if verb == "exec":
    kinds = ("tar xmf", "push"), ("*.journal", "pull-new"), ("tar cf", "pull-all"), ("", "heartbeat")
    command = next(kind for sign, kind in kinds if sign in rest[-1])
refuse = place / "refuse"
refused, _, times = (refuse.read_text() if refuse.exists() else "").partition(" ")
if refused == command:
    if times == "1":
        refuse.unlink()
    elif times:
        refuse.write_text(f"{{refused}} {{int(times) - 1}}")
    sys.exit(print("error: the server refuses", file=sys.stderr) or 1)
if verb == "create":
    made = json.load(sys.stdin)
    if made["metadata"]["name"].endswith("-load"):
        attempt += 1
        (place / f"created-{{attempt}}").write_text("")
    with (place / "objects").open("a") as objects:
        objects.write(json.dumps(made) + "\\n")
    print("uid-1", end="")
elif verb == "get" and rest[0] == "pods":
    looks = place / f"looks-{{attempt}}"
    looks.write_text(str(int(looks.read_text() or 0) + 1 if looks.exists() else 1))
    script = json.loads((place / "pods.json").read_text())
    of_attempt = script[min(attempt, len(script)) - 1]
    print(json.dumps({{"items": of_attempt[min(int(looks.read_text()), len(of_attempt)) - 1]}}))
elif verb == "logs":
    container = next(w.partition("=")[2] for w in rest if w.startswith("--container="))
    logs = [log for log in (place / f"log-{{container}}", place / "log") if log.exists()]
    sys.stdout.buffer.write(logs[0].read_bytes() if logs else b"")
elif verb == "exec":
    inside = str(place / "pod")
    if (place / "noise").exists():
        sys.stderr.write((place / "noise").read_text())
    code = subprocess.run(["sh", "-c", rest[-1].replace("/campaign", inside)]).returncode
    if command == "push" and (measured := place / f"measured-{{attempt}}").is_dir():
        subprocess.run(["cp", "-r", f"{{measured}}/.", inside], check=True)
    sys.exit(code)
"""


def install(folder: Path, pods: list[list[list[dict]]]) -> Path:
    """Put the program into a folder and `pods` behind it: by attempt and look, the last of each for all that follow.

    Returns the folder for the PATH.
    """
    place = folder / "kubectl-state"
    (place / "pod").mkdir(parents=True)
    (place / "pods.json").write_text(json.dumps(pods))
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    program = bin_folder / "kubectl"
    program.write_text(PROGRAM.format(python=sys.executable, place=str(place)))
    program.chmod(0o755)
    os.environ["PATH"] = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    return place


def pod(component: str, *, phase: str = "Running", deleted: bool = False, **states: dict) -> dict:
    """A pod as the API server shows it; `states` are those of its containers."""
    metadata = {"name": f"{component}-1", "labels": {"app.kubernetes.io/component": component}}
    statuses = [{"name": name, "state": state} for name, state in states.items()]
    return {
        "metadata": metadata | ({"deletionTimestamp": "2026-11-30T00:00:00Z"} if deleted else {}),
        "status": {"phase": phase, "containerStatuses": statuses},
    }


RUNS = {"running": {"startedAt": "2026-11-30T00:00:00Z"}}


def over(code: int, reason: str = "Error") -> dict:
    return {"terminated": {"exitCode": code, "reason": reason}}


def waits(reason: str, message: str = "") -> dict:
    return {"waiting": {"reason": reason, "message": message}}
