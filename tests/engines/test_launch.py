"""Launched engines: a real one that answers, and programs that die, hang or refuse in known ways."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from paretoken.engines.command import ServerSpec, command
from paretoken.engines.diagnose import KINDS, kind_of, oom_kills
from paretoken.engines.embedded.tiny_model import cached_model
from paretoken.engines.launch import Launched
from paretoken.engines.ports import free_port
from paretoken.engines.probe import completes
from paretoken.engines.process import ServerProcess
from paretoken.engines.recipes import Override, recipe
from paretoken.errors import BadConfig, EngineFailed


def llama(port: int | None = None, **laid):
    model = cached_model("tiny")
    spec = ServerSpec(model=model.name, model_path=str(model.gguf), port=port or free_port(), users=2, longest=128)
    return command(recipe("llamacpp"), spec, Override(**laid))


def program(code: str, ready_within_s: float = 10.0, port: int | None = None):
    """A program of ours in an engine's place: it gets llama.cpp's arguments and does what the code says."""
    words = [sys.executable, "-I", "-S", "-c", textwrap.dedent(code)]
    return llama(port, program=words, ready_within_s=ready_within_s)


def until(condition, seconds: float = 15.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def failure(server: Launched) -> EngineFailed | None:
    try:
        server.check()
    except EngineFailed as e:
        return e
    return None


class TestRealEngine:
    def test_answers_then_is_gone(self, tmp_path):
        made = llama()
        with Launched(made, tmp_path) as server:
            assert completes(server.base_url, made.served_name, 30)
            assert server.ready_s > 0
            server.check(answers=True, timeout_s=30)
            pid = server.pid
            assert until(lambda: (tmp_path / "server.log").stat().st_size > 0)
        assert until(lambda: not alive(pid))

    def test_killed_under_us(self, tmp_path):
        with Launched(llama(), tmp_path) as server:
            os.kill(server.pid, signal.SIGKILL)
            assert until(lambda: failure(server) is not None)
            e = failure(server)
        assert "llama.cpp ended unexpectedly (signal 9); its log" in str(e) and e.kind == "crash"

    def test_frozen_counts_as_hanging(self, tmp_path):
        with Launched(llama(), tmp_path) as server:
            os.kill(server.pid, signal.SIGSTOP)
            server.check()
            with pytest.raises(EngineFailed, match="is running but does not answer") as e:
                server.check(answers=True, timeout_s=1.0)
            os.kill(server.pid, signal.SIGCONT)
        assert e.value.kind == "hang"

    def test_watched_it_is_said_to_hang_and_then_to_have_ended(self, tmp_path, monkeypatch):
        monkeypatch.setattr("paretoken.engines.launch.ANSWER_S", 0.5)
        monkeypatch.setattr("paretoken.engines.launch.LOOK_S", 0.05)
        said = []

        def say(words):
            said.append(words)
            os.kill(server.pid, signal.SIGKILL)

        with Launched(llama(ready_within_s=60), tmp_path) as server:
            os.kill(server.pid, signal.SIGSTOP)
            with pytest.raises(EngineFailed, match=r"ended unexpectedly \(signal 9\)"):
                server.watch(say, every_s=0.1)
        assert said[0] == "llama.cpp is running but has not answered one token within 0.5 s"

    def test_ends_with_us_however_we_die(self, tmp_path):
        """`paretoken launch` killed with SIGKILL leaves no engine behind."""
        port = free_port()
        ours = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "paretoken",
                "launch",
                "llamacpp",
                "tiny",
                "--path",
                "random:tiny",
                "--port",
                str(port),
                "--log",
                str(tmp_path / "log"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert "is ready at" in ours.stdout.readline()
            ours.kill()
            ours.wait()
            assert until(lambda: not listens(port))
        finally:
            ours.kill()
            ours.wait()
            ours.stdout.close()

    def test_an_earlier_log_is_kept(self, tmp_path):
        (tmp_path / "server.log").write_text("why it died")
        with Launched(llama(), tmp_path):
            pass
        assert (tmp_path / "server.1.log").read_text() == "why it died"

    def test_no_model(self, tmp_path):
        model = tmp_path / "model.gguf"
        model.write_bytes(b"no GGUF")
        made = command(recipe("llamacpp"), ServerSpec(model="m", model_path=str(model), port=free_port()))
        with pytest.raises(EngineFailed, match=r"cannot find its model.*exit status 1") as e, Launched(made, tmp_path):
            pass
        assert e.value.kind == "no model"


def listens(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class TestDeaths:
    @pytest.mark.parametrize(
        ("code", "kind"),
        [
            (
                "raise SystemExit('torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20 GiB')",
                "out of GPU memory",
            ),
            ("raise SystemExit('RuntimeError: HIP out of memory')", "out of GPU memory"),
            ("raise MemoryError", "out of memory"),
            ("raise SystemExit('vllm: error: unrecognized arguments: --foo')", "bad flag"),
            ("raise SystemExit('No CUDA GPUs are available')", "no GPU"),
            ("raise SystemExit(3)", "crash"),
            ("import os; os.abort()", "crash"),
        ],
    )
    def test_said_with_the_last_lines(self, tmp_path, code, kind):
        with pytest.raises(EngineFailed) as e, Launched(program(code), tmp_path):
            pass
        assert e.value.kind == kind
        assert KINDS[kind] in str(e.value) and str(tmp_path / "server.log") in str(e.value)

    def test_listens_and_never_answers(self, tmp_path):
        port = free_port()
        code = f"import socket, time; s = socket.create_server(('127.0.0.1', {port})); time.sleep(60)"
        with (
            pytest.raises(EngineFailed, match=r"was not ready after 0\.5 s"),
            Launched(program(code, 0.5, port), tmp_path),
        ):
            pass
        assert not listens(port)

    def test_still_at_work(self, tmp_path):
        code = "import time\nwhile True: print('loading', flush=True); time.sleep(0.05)"
        log = tmp_path / "server.log"

        def since_first_line() -> float:
            """A clock that stands still until the program runs, however long a busy machine takes for that."""
            return time.monotonic() if log.exists() and log.stat().st_size else 0.0

        server = Launched(program(code, 2.0), tmp_path, clock=lambda: max(since_first_line() - began, 0.0))
        began = time.monotonic()
        with pytest.raises(EngineFailed, match="still working") as e, server:
            pass
        assert e.value.kind == "slow start"

    def test_silent(self, tmp_path):
        made = program("import time; time.sleep(60)", 2.0)
        with pytest.raises(EngineFailed, match="has logged nothing") as e, Launched(made, tmp_path):
            pass
        assert e.value.kind == "hang"

    def test_killed_for_memory(self, tmp_path):
        events = tmp_path / "memory.events"
        events.write_text("low 0\noom 1\noom_kill 2\n")
        assert oom_kills(events) == 2
        assert oom_kills(tmp_path / "none") == 0
        assert kind_of("", -9, 1) == "out of memory"
        assert kind_of("", -9, 0) == "crash"
        assert kind_of("", None) == "hang"


class TestBefore:
    def test_port_in_use(self, tmp_path):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            made = llama(s.getsockname()[1])
            with pytest.raises(BadConfig, match="is in use"), Launched(made, tmp_path):
                pass

    def test_not_installed(self, tmp_path):
        made = command(recipe("vllm"), ServerSpec(model="m", model_path="m"), Override(program=["no-such-vllm"]))
        with pytest.raises(BadConfig, match="pip install vllm"), Launched(made, tmp_path):
            pass
        made = command(
            recipe("vllm"),
            ServerSpec(model="m", model_path="m", accelerator="H100", vendor="NVIDIA"),
            Override(container=True),
        )
        assert made.container

    def test_not_started(self, tmp_path):
        with pytest.raises(BadConfig, match="use it as a context manager"):
            Launched(llama(), tmp_path).check()


def test_folders_that_an_engine_wants(tmp_path, monkeypatch):
    """transformers answers 500 where its cache is not there; a variable that is not set names no folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HF_HOME", raising=False)
    words = {"program": [sys.executable, "-c", "raise SystemExit(3)"], "env": {"HF_HOME": str(tmp_path / "hf")}}
    for env in (words["env"], {}):
        made = command(
            recipe("transformers"),
            ServerSpec(model="m", model_path="m", port=free_port()),
            Override(**words | {"env": env}),
        )
        with pytest.raises(EngineFailed), Launched(made, tmp_path / "log"):
            pass
    assert (tmp_path / "hf" / "hub").is_dir() and (tmp_path / "home/.cache/huggingface/hub").is_dir()
    assert not list(tmp_path.glob("**/$HF_HOME"))


class TestCleanup:
    """A command for what is not of the server's group, such as a container."""

    def test_runs_once_stopped(self, tmp_path):
        mark = tmp_path / "cleaned"
        server = ServerProcess("x", ["sleep", "60"], tmp_path / "log", cleanup=["touch", str(mark)])
        server.start()
        assert not mark.exists()
        server.stop()
        assert mark.exists()

    def test_runs_also_when_we_are_killed(self, tmp_path):
        mark = tmp_path / "cleaned"
        code = f"""
            import os, pathlib, signal
            from paretoken.engines.process import ServerProcess
            log, cleanup = pathlib.Path({str(tmp_path / "log")!r}), ["touch", {str(mark)!r}]
            ServerProcess("x", ["sleep", "60"], log, cleanup=cleanup).start()
            os.kill(os.getpid(), signal.SIGKILL)
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
        assert until(mark.exists)
