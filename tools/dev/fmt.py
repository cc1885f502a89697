"""./dev fmt [--all | --check] [file ...]: clang-format (pinned) over what differs from origin/main.

--all takes every file of src; --check changes nothing and looks at every file.
"""
import concurrent.futures
import subprocess

from dev import common, setup


def sources():
    listed = common.output(["git", "ls-files", "-co", "--exclude-standard", "src"], cwd=common.ROOT)
    return [f for f in listed.split() if f.endswith((".h", ".cc")) and (common.ROOT / f).exists()]


def changed():
    """Files of src that differ from where this branch left origin/main, committed or not."""
    base = common.output(["git", "merge-base", "HEAD", "origin/main"], cwd=common.ROOT).strip() or "HEAD"
    listed = common.output(["git", "diff", "--name-only", base, "--", "src"], cwd=common.ROOT).split()
    listed += common.output(["git", "ls-files", "-o", "--exclude-standard", "src"], cwd=common.ROOT).split()
    return [f for f in listed if f in set(sources())]


def format_files(files, check):
    """Returns how many files differ from their formatted form (and rewrites them unless check)."""
    tool = str(common.venv_dir() / "bin" / "clang-format")
    flags = ["--dry-run", "-Werror"] if check else ["-i"]
    batches = [files[i::8] for i in range(8) if files[i::8]]

    def one(batch):
        return subprocess.run([tool, "--style=file", *flags, *batch], cwd=common.ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        done = list(pool.map(one, batches))
    text = "".join(d.stdout for d in done)
    bad = sorted({line.split(":")[0] for line in text.splitlines() if "error:" in line})
    for file in bad:
        common.say(f"{file}: not formatted (./dev fmt)")
    if any(d.returncode for d in done) and not bad:
        common.say(text)
        return 1
    return len(bad)


def run(args):
    setup.ensure()
    check = "--check" in args
    files = [a for a in args if not a.startswith("-")]
    files = files or (sources() if check or "--all" in args else changed())
    bad = format_files(files, check)
    common.say(f"fmt: {len(files)} files, {bad} to mend" if check else f"fmt: {len(files)} files")
    return 1 if bad else 0
