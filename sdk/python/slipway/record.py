"""A record of what a run was made from, in the form that `slipway run` writes, too: `slipway runs diff|repro` read both.

capture() keeps slipway/capture.json, slipway/code.patch, slipway/packages.txt and the lock files as artifacts of the run,
and the parts that one searches by as its tags. Within `slipway run`, which has kept all of that, it adds what only the
process itself knows: slipway/process.json.
"""
from __future__ import annotations

import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Sequence, Tuple

from .errors import InvalidRequest

if TYPE_CHECKING:
    from .active import ActiveRun
    from .client import Path

FORMAT = "slipway.capture/1"
FOLDER = "slipway/"
LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "conda-lock.yml", "environment.yml", "environment.yaml")
LOCK_GLOBS = ("requirements*.txt",)
UNTRACKED_BYTES_MAX = 5 << 20  # A larger file that git doesn't know is named, not kept.
PIECE_BYTES = 1 << 20
DETERMINISM_NAMES = ("PYTHONHASHSEED", "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "CUDA_VISIBLE_DEVICES",
                     "CUDA_LAUNCH_BLOCKING", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "PL_GLOBAL_SEED", "SEED", "TZ",
                     "LANG", "LC_ALL")
DETERMINISM_PREFIXES = ("OMP_", "MKL_", "OPENBLAS_", "BLIS_", "GOTO_", "KMP_", "TORCH_", "PYTORCH_", "CUDNN_", "NCCL_",
                        "NPY_", "NUMPY_", "TF_", "XLA_", "JAX_")
SECRET_WORDS = ("TOKEN", "SECRET", "PASSWORD", "KEY", "CREDENTIAL")


def sha256_of(path: pathlib.Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as content:
        for piece in iter(lambda: content.read(PIECE_BYTES), b""):
            digest.update(piece)
    return digest.hexdigest()


def _git(where: pathlib.Path, *words: str, env: Optional[Dict[str, str]] = None) -> Optional[bytes]:
    """What git prints; nothing when it fails or isn't there."""
    try:
        done = subprocess.run(("git", "-c", "core.quotepath=off", "-c", "core.fsmonitor=false", *words), cwd=where,
                              env={**os.environ, **(env or {})}, capture_output=True, check=False)
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def without_password(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if not parts.scheme or "@" not in parts.netloc:
        return url
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rsplit("@", 1)[1]))


@dataclass
class Code:
    """A commit and what the work tree has beyond it; files named in `left_out` were too large to keep."""

    commit: str
    branch: str
    remote: str
    root: str
    dirty: bool
    patch: bytes = b""
    left_out: List[str] = field(default_factory=list)

    def to_json(self) -> Dict[str, Any]:
        return {"commit": self.commit, "branch": self.branch, "remote": self.remote, "root": self.root, "dirty": self.dirty,
                "patch": FOLDER + "code.patch" if self.patch else "",
                "patch_sha256": hashlib.sha256(self.patch).hexdigest() if self.patch else "", "left_out": self.left_out}


def code_of(where: pathlib.Path, outputs: Sequence[str] = ()) -> Optional[Code]:
    """The commit of the repository around `where`; nothing outside of one. `outputs` (absolute) are no part of the code."""
    top = _git(where, "rev-parse", "--show-toplevel")
    commit = _git(where, "rev-parse", "--verify", "HEAD^{commit}")
    if top is None or commit is None:
        return None
    root = pathlib.Path(os.fsdecode(top).rstrip("\n"))
    branch = _git(root, "symbolic-ref", "--quiet", "--short", "HEAD") or b""
    remote = _git(root, "config", "--get", "remote.origin.url") or b""
    patch, left_out = _patch(root, outputs)
    return Code(commit.decode().strip(), branch.decode().strip(), without_password(remote.decode().strip()), str(root),
                bool(patch or left_out), patch, left_out)


def _patch(root: pathlib.Path, outputs: Sequence[str]) -> Tuple[bytes, List[str]]:
    """Changes of tracked files and whole new ones against HEAD. An index and objects of its own: the repository stays as it is."""
    made = {os.path.relpath(os.path.realpath(p), os.path.realpath(root)) for p in outputs}
    new, left_out = [], []
    for raw in (_git(root, "ls-files", "-z", "--others", "--exclude-standard") or b"").split(b"\0"):
        name = os.fsdecode(raw)
        if not name or name in made:
            continue
        file = root / name
        if file.is_symlink() or (file.is_file() and file.stat().st_size <= UNTRACKED_BYTES_MAX):
            new.append(name)
        else:
            left_out.append(name)
    objects, index = (os.fsdecode(_git(root, "rev-parse", "--git-path", part) or b"").rstrip("\n") for part in ("objects", "index"))
    with tempfile.TemporaryDirectory(prefix="slipway-patch-") as scratch:
        env = {"GIT_INDEX_FILE": os.path.join(scratch, "index"), "GIT_OBJECT_DIRECTORY": scratch,
               "GIT_ALTERNATE_OBJECT_DIRECTORIES": str((root / objects).resolve())}
        shutil.copyfile(root / index, env["GIT_INDEX_FILE"])  # With what was added and not committed.
        _git(root, "add", "--update", ".", env=env)
        for begin in range(0, len(new), 500):
            _git(root, "--literal-pathspecs", "add", "--", *new[begin:begin + 500], env=env)
        excluded = [f":(top,exclude,literal){name}" for name in sorted(made) if not name.startswith("..")]
        patch = _git(root, "diff", "--cached", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv",
                     "HEAD", "--", ".", *excluded, env=env)
    return patch or b"", left_out


def frozen_packages() -> List[str]:
    """The installed distributions of this interpreter as "name==version", sorted; "name @ url" for what came from an address."""
    lines: Dict[str, str] = {}
    for found in metadata.distributions():
        name = found.metadata["Name"]
        if not name:
            continue
        key = name.lower().replace("_", "-").replace(".", "-")
        lines.setdefault(key, _pinned(found, name))  # The first on the path is the one that is imported.
    return [lines[key] for key in sorted(lines)]


def _pinned(found: metadata.Distribution, name: str) -> str:
    line = f"{name}=={found.version}"
    try:
        origin = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        return line
    url, vcs = without_password(origin.get("url", "")), origin.get("vcs_info", {})
    if vcs:
        return f"{name} @ {vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', '')}"
    if url.startswith(("http://", "https://")):
        return f"{name} @ {url}"
    return f"# local: {line}" if url else line


def lock_files(where: pathlib.Path, root: Optional[pathlib.Path]) -> List[pathlib.Path]:
    """The lock files of the nearest directory, upwards from `where` to `root`, that has some."""
    folder = where
    while True:
        found = [folder / name for name in LOCKS if (folder / name).is_file()]
        for pattern in LOCK_GLOBS:
            found += sorted(p for p in folder.glob(pattern) if p.is_file())
        if found or root is None or folder == root or folder.parent == folder:
            return found
        folder = folder.parent


def determinism() -> Dict[str, str]:
    """The variables that seed, order or round: what must be the same for the same bits. Nothing that smells of a secret."""
    return {name: value for name, value in sorted(os.environ.items())
            if (name in DETERMINISM_NAMES or name.startswith(DETERMINISM_PREFIXES))
            and not any(word in name for word in SECRET_WORDS)}


def machine() -> Dict[str, Any]:
    cpu = ""
    flags: List[str] = []
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and not cpu:
                cpu = value.strip()
            if name.strip() in ("flags", "Features") and not flags:
                flags = sorted(value.split())
    except OSError:
        pass
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0
    return {"os": platform.system().lower(), "arch": platform.machine(), "cpu_model": cpu, "cpus": usable, "cpu_flags": flags}


def process_state() -> Dict[str, Any]:
    """What only this process knows: versions and switches of the frameworks that it has imported, none of which is imported here."""
    out: Dict[str, Any] = {"hash_randomization": sys.flags.hash_randomization, "argv": sys.argv, "frameworks": {}}
    for name in ("numpy", "scipy", "sklearn", "pandas", "torch", "tensorflow", "jax", "xgboost", "lightgbm", "onnxruntime"):
        loaded = sys.modules.get(name)
        if loaded is not None:
            out["frameworks"][name] = {"version": str(getattr(loaded, "__version__", ""))}
    torch = sys.modules.get("torch")
    if torch is not None:
        out["frameworks"]["torch"].update({
            "deterministic_algorithms": bool(torch.are_deterministic_algorithms_enabled()),
            "cudnn_deterministic": bool(torch.backends.cudnn.deterministic),
            "cudnn_benchmark": bool(torch.backends.cudnn.benchmark), "threads": int(torch.get_num_threads()),
            "initial_seed": str(torch.initial_seed())})
    return out


@dataclass
class Capture:
    """The record, and the files that belong to it by their artifact path."""

    record: Dict[str, Any]
    files: Dict[str, bytes]

    def tags(self) -> Dict[str, str]:
        code, environment = self.record["code"], self.record["environment"]
        out = {"slipway.capture": FORMAT, "slipway.command": " ".join(self.record["command"])[:5000]}
        if self.record["command"]:
            out["mlflow.source.name"] = self.record["command"][0]
            out["mlflow.source.type"] = "LOCAL"
        if code:
            out.update({"mlflow.source.git.commit": code["commit"], "slipway.code.dirty": str(code["dirty"]).lower()})
            for tag, name in (("mlflow.source.git.branch", "branch"), ("mlflow.source.git.repoURL", "remote"),
                              ("slipway.code.patch_sha256", "patch_sha256")):
                if code[name]:
                    out[tag] = code[name]
        if environment["interpreter"]:
            out["slipway.environment.python"] = environment["interpreter"]["version"]
            out["slipway.environment.packages_sha256"] = environment["packages_sha256"]
        if environment["container_digest"]:
            out["slipway.environment.container_digest"] = environment["container_digest"]
        return out


def take(where: Optional["Path"] = None, data: Iterable["Path"] = (), out: Iterable["Path"] = ()) -> Capture:
    """Looks at code, environment, data and outputs, and changes nothing."""
    directory = pathlib.Path(where or os.getcwd()).resolve()
    outputs = [str((directory / p).resolve()) for p in out]
    code = code_of(directory, outputs)
    root = pathlib.Path(code.root).resolve() if code else None
    files: Dict[str, bytes] = {}
    if code and code.patch:
        files[FOLDER + "code.patch"] = code.patch
    packages = "".join(line + "\n" for line in frozen_packages()).encode()
    files[FOLDER + "packages.txt"] = packages
    locks = []
    for lock in lock_files(directory, root):
        name = lock.relative_to(root or directory).as_posix()
        files[FOLDER + "locks/" + name] = lock.read_bytes()
        locks.append({"path": name, "artifact": FOLDER + "locks/" + name, "sha256": sha256_of(lock)})
    record = {
        "format": FORMAT, "tool": "slipway-python", "captured_ms": time.time_ns() // 1_000_000,
        "command": [sys.executable, *getattr(sys, "orig_argv", ["", *sys.argv])[1:]],
        "directory": directory.relative_to(root).as_posix() if root and root != directory else "",
        "code": code.to_json() if code else None,
        "environment": {
            "interpreter": {"path": sys.executable, "version": platform.python_version(),
                            "base": getattr(sys, "_base_executable", sys.executable),
                            "implementation": platform.python_implementation()},
            "packages": FOLDER + "packages.txt", "packages_sha256": hashlib.sha256(packages).hexdigest(),
            "packages_count": packages.count(b"\n"), "locks": locks,
            "container_digest": os.environ.get("SLIPWAY_CONTAINER_DIGEST", "")},
        "machine": machine(), "determinism": determinism(),
        "data": [_named(directory, p, "data") for p in data],
        "outputs": [_named(directory, p, "out") for p in out], "exit": None,
    }
    return Capture(record, files)


def _named(directory: pathlib.Path, path: "Path", what: str) -> Dict[str, Any]:
    file = (directory / path).resolve()
    if not file.is_file():
        raise InvalidRequest("capture.no_file", f"{what} {path} is no file")
    inside = os.path.relpath(file, directory)
    name = str(path) if inside.startswith("..") else pathlib.Path(inside).as_posix()
    return {"path": name, "at": str(file), "sha256": sha256_of(file), "bytes": file.stat().st_size}


def capture(run: Optional["ActiveRun"] = None, data: Iterable["Path"] = (), out: Iterable["Path"] = ()) -> Capture:
    """Keeps the record with `run`; without one, with the run that MLFLOW_RUN_ID names, else with a new one that ends at once.

    Call it before training for code and environment, and again at the end with out= for the files that came out.
    """
    from .client import Client  # pylint: disable=import-outside-toplevel,cyclic-import
    taken = take(None, list(data), list(out))
    if run is None:
        with Client().start_run() as made:
            _keep(made, taken)
    else:
        _keep(run, taken)
    return taken


def _keep(run: "ActiveRun", taken: Capture) -> None:
    run.flush()
    process = json.dumps(process_state(), indent=1, sort_keys=True)
    run.put_artifact(FOLDER + "process.json", process)
    inputs = taken.record["data"]
    for item in inputs:
        run.log_data(item["path"], item["sha256"], item["at"])
    for item in taken.record["outputs"]:
        run.log_artifact(item["at"], "outputs/" + item["path"].lstrip("./"))
    if os.environ.get("SLIPWAY_CAPTURED") == run.run_id:
        return  # `slipway run` keeps code and environment, and writes its record when the process has ended.
    for path, content in taken.files.items():
        run.put_artifact(path, content)
    run.put_artifact(FOLDER + "capture.json", json.dumps(taken.record, indent=1))
    run.set_tags(taken.tags())
