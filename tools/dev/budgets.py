"""The release against tools/budgets.toml: what is shipped, its archive, start-up and idle memory.

The archive is unpacked elsewhere and the server started from there: the folder can be moved.
Start-up is the shortest of some: what else a machine does can only lengthen one.
"""
import os
import pathlib
import subprocess
import tempfile
import time
import tomllib

from dev import common, served

STARTS = 9
IDLE_SECONDS = 2


def shipped(out):
    """The files of a release folder that belong to the product."""
    return [out / "slipway", *sorted(out.glob("*.so*"))]


def archive(out):
    """build/release/slipway.tar.zst; made anew when a shipped file is newer."""
    made, files = out / "slipway.tar.zst", shipped(out)
    if not made.exists() or any(f.stat().st_mtime > made.stat().st_mtime for f in files):
        common.run(["tar", "-C", out, "-I", "zstd -12 -T0 --long=27", "-cf", made, *[f.name for f in files]])
    return made


def vm_rss_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(out):
    """Figures under the names that budgets.toml gives their limits."""
    figures = {"folder_mb": sum(f.stat().st_size for f in shipped(out)) / 1e6,
               "archive_mb": archive(out).stat().st_size / 1e6}
    with tempfile.TemporaryDirectory(prefix="slipway-release-") as folder:
        root = pathlib.Path(folder)
        subprocess.run(["tar", "-C", root, "-I", "zstd -d --long=27", "-xf", archive(out)], check=True)
        os.sync()  # Else the first starts wait until what was just unpacked has reached the disk.
        starts = []
        for number in range(STARTS):
            server = served.Server(root / "slipway", root / f"data{number}")
            try:
                server.start()
                starts.append(server.start_ms)
                if number == STARTS - 1:
                    time.sleep(IDLE_SECONDS)  # Idle is what is left once start-up's pages have settled.
                    figures["idle_rss_mb"] = vm_rss_mb(server.process.pid)
                server.stop()
            finally:
                server.kill()
        figures["startup_ms"] = min(starts)
    return figures


def check(tally, out):
    limits = tomllib.loads((common.ROOT / "tools/budgets.toml").read_text())["release"]
    figures = measure(out)
    for name, limit in limits.items():
        over = figures[name] > limit
        common.say(f"budget {name}: {figures[name]:.1f} of {limit}{' OVER' if over else ''}")
        if over:
            tally.failed.append(f"budget {name}: {figures[name]:.1f}, the limit is {limit}")
        else:
            tally.passed += 1
