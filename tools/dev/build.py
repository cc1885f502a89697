"""./dev build [preset] [target ...]: configures when needed and builds; prints little unless it fails."""
import json
import os
import time

from dev import common, setup, web

PRESETS = {p["name"] for p in json.loads((common.ROOT / "CMakePresets.json").read_text())[
    "configurePresets"] if not p.get("hidden")}


def build(preset="dev", targets=()):
    """Leaves build/<preset>/…; raises Failed with the compiler's text on stdout."""
    if preset not in PRESETS:
        raise common.Failed(f"no preset '{preset}'; there are {', '.join(sorted(PRESETS))}")
    setup.ensure(["fuzz"] if preset == "fuzz" else [])
    web.ensure()
    out = common.BUILD / preset
    with common.machine_lock():
        since = time.monotonic()
        configured, presets = out / "build.ninja", common.ROOT / "CMakePresets.json"
        if not configured.exists() or configured.stat().st_mtime < presets.stat().st_mtime:
            common.run(["cmake", "--preset", preset, "-Wno-dev"], quiet=True)
        status = "%s" if os.environ.get("CI") else "[%f/%t] "
        common.run(["ninja", "-C", out, "--quiet", *targets], env={"NINJA_STATUS": status})
    runtime = out / "libslipway_rt.so"
    size = f"; {runtime.name} {runtime.stat().st_size / 1e6:.1f} MB" if runtime.exists() else ""
    common.say(f"built {preset} in {time.monotonic() - since:.0f} s{size}")
    return out


def run(args):
    preset = args[0] if args and args[0] in PRESETS else "dev"
    build(preset, args[1:] if args and args[0] in PRESETS else args)
