"""./dev bench [NAME] [args]: bench/NAME.py on the release build, or the program of a NAME_bench.cc.

A script prints ours, the peer's and the ratio of one run and keeps its JSON under bench/results/.
Without a name the benches are listed.
"""
from dev import build, common


def compile_client(source):
    """A load generator, as build/bench-clients/FOLDER-NAME; made anew when it, or what they share, is newer."""
    out = common.BUILD / "bench-clients" / f"{source.parent.name}-{source.stem}"
    newest = max(f.stat().st_mtime for f in (source, common.ROOT / "bench" / "http" / "client.h"))
    out.parent.mkdir(parents=True, exist_ok=True)
    if not out.exists() or out.stat().st_mtime < newest:
        common.run(["g++-12", "-std=c++20", "-O2", "-Wall", "-Wextra", "-o", out, source])
    return out


def run(args):
    scripts = {f.stem: f for f in sorted((common.ROOT / "bench").glob("*.py")) if not f.name.startswith("_")}
    programs = {f.stem.removesuffix("_bench"): f.stem for f in sorted((common.ROOT / "src").rglob("*_bench.cc"))}
    if not args:
        common.say("benches: " + ", ".join(sorted({*scripts, *programs})))
        return 0
    name, rest = args[0], args[1:]
    if name in scripts:
        binary = build.build("release", ["slipway"]) / "slipway"
        return common.run([common.venv_python(), "-P", scripts[name], *rest], check=False, env={"SLIPWAY_BINARY": str(binary)})
    if name in programs:
        out = build.build("bench", [programs[name]])
        return common.run([out / programs[name], *rest], check=False)
    raise common.Failed(f"no bench '{name}'; there are {', '.join(sorted({*scripts, *programs}))}")
