"""The simulator is trusted because each planted bug is caught by some of the seeds that are clean without it."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
from dev import common  # noqa: E402

SEEDS = 1000
BUGS = 10


def sim(binary, *args):
    return subprocess.run([str(binary), "sim", "--of", "spine", "--seeds", str(SEEDS), *args], text=True, capture_output=True)


def main():
    binary = common.BUILD / "dev" / "slipway"
    failed = []
    clean = sim(binary)
    print(clean.stderr.strip())
    if clean.returncode != 0:
        failed.append("the seeds are not clean without a bug")
        print(clean.stdout)
    for bug in range(1, BUGS + 1):
        caught = sim(binary, "--first", "--bug", str(bug))
        first = (caught.stdout.strip().splitlines() or ["nothing"])[:2]
        print(f"bug {bug}: {' '.join(first)}")
        if caught.returncode != 1 or not caught.stdout.strip():
            failed.append(f"bug {bug} is not caught")
    for text in failed:
        print(f"FAILED  {text}")
    print(f"{BUGS + 1 - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
