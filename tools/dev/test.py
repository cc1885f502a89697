"""./dev test [filter] [--all] [--suite NAME] [--shard i/n] [--preset P]

Without arguments: the unit binary, simulation seeds, every test/e2e/smoke_*.py (60 s warm).
filter         unit tests only, by name (`Blobs`, `Ledger.*`)
--unit         the unit binary alone
--all          besides, every test/suites/*.py: real clients, browser, services; ten minutes each at most
--suite NAME   only that file of test/suites, or test/e2e/smoke_NAME.py
--shard i/n    the i-th of n parts of what was asked for (suites and smokes by file, unit tests by GoogleTest)

A script passes with status 0, is skipped with 77 (its last line says why), fails otherwise. The last line
printed is `N passed, N failed[, N skipped]`.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from dev import build, common, setup

SUITE_SECONDS = 600
SMOKE_SECONDS = 180
SKIPPED = 77
UNIT_FLAGS = ["--gtest_brief=1", "--gtest_death_test_style=threadsafe"]


class Tally:
    """What passed, failed and was skipped; the names of the latter two are told at the end."""

    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], []

    def line(self):
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        return f"{self.passed} passed, {len(self.failed)} failed{skipped}"

    def tell(self):
        for name in self.failed:
            common.say(f"FAILED  {name}")
        for name in self.skipped:
            common.say(f"skipped {name}")
        common.say(self.line())
        return 1 if self.failed else 0


def pattern(text):
    """A GoogleTest filter; a plain word finds it anywhere in the name."""
    return text if any(c in text for c in "*?:.") else f"*{text}*"


TSAN = f"halt_on_error=1:second_deadlock_stack=1:suppressions={common.ROOT}/tools/tsan.supp"


def unit(tally, filter_=None, preset="dev", shard=None, env=None):
    """The unit binary, in as many processes as there are cores when everything runs."""
    out = build.build(preset, ["slip_tests"])
    shards = [shard] if shard else [(i, 2) for i in range(2)] if not filter_ and (os.cpu_count() or 1) > 1 else [(0, 1)]
    if preset == "tsan":
        env = {"TSAN_OPTIONS": TSAN, **(env or {})}
    since = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        running = []
        for index, count in shards:
            report = pathlib.Path(folder) / f"{index}.json"
            cmd = [str(out / "slip_tests"), *UNIT_FLAGS, f"--gtest_output=json:{report}"]
            if filter_:
                cmd.append(f"--gtest_filter={pattern(filter_)}")
            common.say("+ " + " ".join(cmd[:1] + UNIT_FLAGS + cmd[4:]) + (f"  # {index + 1}/{count}" if count > 1 else ""))
            shard_env = {"GTEST_SHARD_INDEX": str(index), "GTEST_TOTAL_SHARDS": str(count)}
            log = tempfile.TemporaryFile("w+", dir=folder, errors="replace")
            running.append((index, report, log, subprocess.Popen(
                cmd, env={**os.environ, **shard_env, **(env or {})}, cwd=common.ROOT, stdout=log, stderr=subprocess.STDOUT)))
        for index, report, log, process in running:
            status = process.wait()
            log.seek(0)
            text = log.read()
            if status or filter_:
                sys.stdout.write(text)
            count_unit(tally, report, status, preset)
    common.say(f"unit ({preset}): {time.monotonic() - since:.1f} s")


def count_unit(tally, report, status, preset):
    """Adds GoogleTest's own report; a binary that died before writing it is one failure."""
    failed = []
    if report.exists():
        for suite in json.loads(report.read_text())["testsuites"]:
            for test in suite["testsuite"]:
                if test.get("result") == "SKIPPED":
                    tally.skipped.append(f"{suite['name']}.{test['name']}")
                elif test.get("status") == "RUN":
                    name = f"{suite['name']}.{test['name']}"
                    failed += [name] if test.get("failures") else []
                    tally.passed += 0 if test.get("failures") else 1
    if status and not failed:
        failed = [f"slip_tests ended with status {status}"]
    tally.failed += [f"unit ({preset}) {name}" for name in failed]


def sim(tally, preset="dev"):
    """Seeds of the spine's histories, and of the feature store's beside them."""
    out = build.build(preset, ["slipway"])
    running = []
    for part, seeds in (("spine", 100), ("features", 20)):
        cmd = [out / "slipway", "sim", "--seeds", str(seeds), "--of", part]
        common.say("+ " + " ".join(map(str, cmd)))
        running.append((part, seeds, subprocess.Popen(cmd, text=True, errors="replace", stdout=subprocess.PIPE,
                                                      stderr=subprocess.STDOUT)))
    for part, seeds, process in running:
        text, _ = process.communicate()
        common.say((text.strip().splitlines() or ["no output"])[-1])
        if process.returncode or str(seeds) not in text:  # It says how many seeds it ran.
            sys.stdout.write(text)
            tally.failed.append(f"slipway sim --seeds {seeds} --of {part}")
        else:
            tally.passed += 1


def script(tally, file, seconds, preset="dev"):
    """One Python script on the environment of setup; its output is shown when it fails."""
    name = f"{file.parent.name}/{file.name}"
    env = {**os.environ, "SLIPWAY_BINARY": str(common.BUILD / preset / "slipway")}
    since = time.monotonic()
    try:
        done = subprocess.run([common.venv_python(), str(file)], env=env, cwd=common.ROOT, timeout=seconds, text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        status, text = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        text = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or ""
        status, text = 1, text + f"\nnot done after {seconds} s\n"
    took = f"{time.monotonic() - since:.1f} s"
    if status == SKIPPED:
        why = text.strip().splitlines()[-1:] or ["no reason given"]
        tally.skipped.append(f"{name}: {why[0]}")
        common.say(f"{name}: skipped ({why[0]})")
    elif status:
        sys.stdout.write(text)
        tally.failed.append(name)
        common.say(f"{name}: FAILED ({took})")
    else:
        tally.passed += 1
        common.say(f"{name}: ok ({took})")


def scripts(folder, glob):
    return sorted((common.ROOT / "test" / folder).glob(glob))


def suite_files(name=None):
    """Suites are the files of test/suites that don't start with an underscore."""
    if name:
        found = [f for f in (common.ROOT / f"test/suites/{name}.py", common.ROOT / f"test/e2e/smoke_{name}.py") if f.exists()]
        if not found:
            known = [f.stem for f in suite_files()] + [f.stem.removeprefix("smoke_") for f in scripts("e2e", "smoke_*.py")]
            raise common.Failed(f"no suite '{name}'; there are {', '.join(known)}")
        return found
    return [f for f in scripts("suites", "*.py") if not f.name.startswith("_")]


def parse(args):
    parser = argparse.ArgumentParser(prog="./dev test", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("filter", nargs="?")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--unit", action="store_true")
    parser.add_argument("--suite")
    parser.add_argument("--shard", type=lambda s: tuple(int(n) for n in s.split("/")), help="i/n, i from 1")
    parser.add_argument("--preset", default="dev")
    args = parser.parse_args(args)
    if args.shard:
        index, count = args.shard
        if not 1 <= index <= count:
            parser.error("--shard is i/n with 1 <= i <= n")
        args.shard = (index - 1, count)
    return args


def run(args):
    args = parse(args)
    tally = Tally()
    if args.filter or args.unit:
        unit(tally, args.filter, args.preset, args.shard)
        return tally.tell()
    if args.all:
        setup.ensure(setup.EXTRA)
    build.build(args.preset, ["slipway"] if args.suite else ["slipway", "slip_tests"])
    files = suite_files(args.suite) if args.suite else scripts("e2e", "smoke_*.py") + (suite_files() if args.all else [])
    if not args.suite:
        unit(tally, None, args.preset, args.shard)
        if not args.shard or args.shard[0] == 0:
            sim(tally, preset=args.preset)
    if args.shard:
        files = files[args.shard[0]::args.shard[1]]
    for file in files:
        script(tally, file, SUITE_SECONDS if file.parent.name == "suites" or args.suite else SMOKE_SECONDS, args.preset)
    return tally.tell()
