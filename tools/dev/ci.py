"""./dev ci [--deep]: what the CI runs, in a fresh clone or a warm one; minutes of each step at the end.

check, ./dev test, the suites, unit under asan, release build, budgets, the demo's quick form. --deep adds
unit under tsan, all of clang-tidy, a minute of fuzzing a target and every bench; run it before an issue is
resolved. A failing step doesn't stop the others. The last line is `N passed, N failed`.
"""
import time

from dev import bench, budgets, build, check, common, demo, fuzz, setup, test, tidy

ASAN = {"ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1", "UBSAN_OPTIONS": "print_stacktrace=1"}


def status_step(call):
    """A step that answers with an exit status, as one item of the tally."""
    def step(tally, name):
        if call():
            tally.failed.append(name)
        else:
            tally.passed += 1
    return step


def run_check(tally, name):
    for part, failed in check.results():
        if failed:
            tally.failed.append(f"{name}: {part}")
        else:
            tally.passed += 1


def run_test(tally, _):
    build.build("dev")
    test.unit(tally)
    test.sim(tally)
    for file in test.scripts("e2e", "smoke_*.py"):
        test.script(tally, file, test.SMOKE_SECONDS)


def run_suites(tally, _):
    for file in test.suite_files():
        test.script(tally, file, test.SUITE_SECONDS)


def run_benches(tally, name):
    for script in sorted((common.ROOT / "bench").glob("*.py")):
        if not script.name.startswith("_"):
            status_step(lambda n=script.stem: bench.run([n]))(tally, f"{name}: {script.stem}")


STEPS = [
    ("setup", status_step(lambda: setup.run(["--all"]))),
    ("check", run_check),
    ("test", run_test),
    ("suites", run_suites),
    ("asan", lambda tally, _: test.unit(tally, preset="asan", env=ASAN)),
    ("release", status_step(lambda: build.build("release") and 0)),
    ("budgets", lambda tally, _: budgets.check(tally, common.BUILD / "release")),
    ("demo", status_step(lambda: demo.run(["--quick"]))),
]
DEEP = [
    ("tsan", lambda tally, _: test.unit(tally, preset="tsan")),
    ("clang-tidy", status_step(lambda: tidy.run(["--all"]))),
    ("fuzz", status_step(lambda: fuzz.run(["smoke", "--seconds", "60"]))),
    ("trees", status_step(lambda: common.run([common.venv_python(), common.ROOT / "test/suites/trees_equal.py", "--deep"], check=False))),
    ("benches", run_benches),
]


def run(args):
    tally, minutes = test.Tally(), []
    for name, step in STEPS + (DEEP if "--deep" in args else []):
        common.say(f"\n==== {name}")
        since = time.monotonic()
        try:
            step(tally, name)
        except Exception as error:  # One broken step mustn't hide what the others find.
            common.say(f"{name}: {type(error).__name__}: {error}")
            tally.failed.append(f"{name}: {error}")
        minutes.append((name, (time.monotonic() - since) / 60))
    common.say("")
    for name, took in minutes:
        common.say(f"{took:6.1f} min  {name}")
    common.say(f"{sum(m for _, m in minutes):6.1f} min  in all")
    return tally.tell()
