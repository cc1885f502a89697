"""What every command shares: where things lie, how a program is run, the machine-wide build lock."""
import contextlib
import fcntl
import hashlib
import os
import pathlib
import shlex
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
LOCK_TOML = ROOT / "third_party" / "lock.toml"
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable


os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime's wheel phones home unless told not to.


class Failed(Exception):
    """A step failed; the text says which and what to do."""


def cache_dir():
    """Downloads, unpacked libraries and virtual environments: shared by all clones of this user."""
    at = os.environ.get("SLIPWAY_CACHE_DIR") or "~/.cache/slipway"
    return pathlib.Path(at).expanduser()


def read_lock():
    return tomllib.loads(LOCK_TOML.read_text())


def venv_dir():
    """One environment per set of Python packages, so that clones with another lock don't fight."""
    pip = repr(sorted(read_lock().get("pip", {}).items()))
    return cache_dir() / "venv" / hashlib.sha256(pip.encode()).hexdigest()[:12]


def venv_python():
    return str(venv_dir() / "bin" / "python")


def say(text):
    print(text, flush=True)


def run(cmd, *, quiet=False, check=True, env=None, cwd=None, show=True):
    """Prints and runs a command. quiet: its output is shown only when it fails. Returns its status."""
    cmd = [str(c) for c in cmd]
    if show:
        say("+ " + shlex.join(cmd))
    full = {**os.environ, **(env or {})}
    if quiet:
        done = subprocess.run(cmd, env=full, cwd=cwd, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            sys.stdout.write(done.stdout)
            sys.stdout.flush()
    else:
        done = subprocess.run(cmd, env=full, cwd=cwd)
    if check and done.returncode:
        raise Failed(f"`{shlex.join(cmd)[:200]}` failed with status {done.returncode}")
    return done.returncode


def output(cmd, **kw):
    return subprocess.run([str(c) for c in cmd], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, **kw).stdout


@contextlib.contextmanager
def file_lock(path, what):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for {what} ({path})")
            since = time.monotonic()
            fcntl.flock(file, fcntl.LOCK_EX)
            say(f"got it after {time.monotonic() - since:.0f} s")
        yield


@contextlib.contextmanager
def machine_lock():
    """One heavy job at a time on this machine; a command started inside the lock doesn't ask again."""
    if os.environ.get("SLIPWAY_LOCK_HELD"):
        yield
        return
    path = pathlib.Path(os.environ.get("SLIPWAY_LOCK") or "/tmp/slipway.lock")
    with file_lock(path, "the build lock"):
        os.environ["SLIPWAY_LOCK_HELD"] = "1"
        try:
            yield
        finally:
            del os.environ["SLIPWAY_LOCK_HELD"]
