"""./dev bench blobs [--mib N]: a file of noise becomes a blob, again, edited in the middle; rows of text; reading back.

Rates per second of one core's time, against SHA-256 and the gear hash alone in the same run: every byte goes through
both, and through the kernel into a pack. Chunks are found by XXH3 and compared, so SHA-256 sees each byte once. Kept in
bench/results/blobs.json.
"""
import argparse
import json
import os
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from dev import build, common  # noqa: E402

TARGET_RATE, TARGET_FOUND = 0.5, 0.99
ROWS = (
    ("sha256", "bound: SHA-256 alone"),
    ("gear", "bound: gear hash alone"),
    ("store_new", "store, new, incompressible"),
    ("store_again", "store, all of it there already"),
    ("store_edited", "store, edited in the middle"),
    ("store_text", "store, new, rows of text (zstd)"),
    ("verify", "read and verify (XXH3, SHA-256)"),
)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    args = parser.parse_args()
    program = build.build("bench", ["blobs_bench"]) / "blobs_bench"
    folder = common.BUILD / "bench-blobs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with common.machine_lock():  # Nobody compiles meanwhile.
        common.run([program, folder, str(args.mib)])
    figures = {**json.loads((folder / "result.json").read_text()), "cores": os.cpu_count()}
    shutil.rmtree(folder)
    (ROOT / "bench" / "results").mkdir(exist_ok=True)
    (ROOT / "bench" / "results" / "blobs.json").write_text(json.dumps(figures, indent=1) + "\n")
    for key, what in ROWS:
        f = figures[key]
        print(f"{what:34} {f['gb_per_core_second']:6.2f} GB/s a core {f['gb_per_second']:6.2f} GB/s wall")
    print(f"of the edited file found again     {100 * figures['edited_found_share']:6.2f} %")
    print(f"of the text stored                 {100 * figures['text_stored_share']:6.2f} %")
    rate, found = figures["store_new"]["gb_per_core_second"], figures["edited_found_share"]
    met = rate >= TARGET_RATE and found >= TARGET_FOUND
    print(f"target >= {TARGET_RATE} GB/s a core, >= {TARGET_FOUND:.0%} found: {'met' if met else 'MISSED'}"
          f" ({rate / figures['sha256']['gb_per_core_second']:.2f} of SHA-256 alone)")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
