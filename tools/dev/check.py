"""./dev check [--fast]: what must hold before a commit. --fast leaves out what needs a build."""
import sys
import time

from dev import build, common, fmt, gen, setup


def steps(fast):
    setup.ensure()
    yield "fmt", lambda: fmt.run(["--check"])
    yield "arrows", lambda: python("tools/arrows.py", "src")
    yield "tidy", lambda: python("tools/tidy.py")
    yield "tools' tests", lambda: unittests("tools/tests")
    yield "sdk's tests", lambda: unittests("sdk/python/tests")
    yield "python compiles", python_compiles
    if (common.ROOT / "web/node_modules/.bin/tsc").exists():
        for name, args in (("tsc", ["--noEmit"]), ("biome", ["check", "."]), ("vitest", ["run"])):
            yield f"web {name}", lambda name=name, args=args: common.run(
                [f"node_modules/.bin/{name}", *args], cwd=common.ROOT / "web", quiet=True, check=False)
    if not fast:
        yield "build", lambda: build.build("dev") and 0
        yield "symbols", lambda: python("tools/symbols.py", "build/dev/slipway")
        yield "gen", lambda: gen.run(["--check"])


def python(*args):
    return common.run([sys.executable, *args], check=False)


def unittests(folder):
    return common.run([sys.executable, "-m", "unittest", "discover", "-q", "-s", folder, "-p", "test_*.py"],
                      quiet=True, check=False)


def python_compiles():
    listed = common.output(["git", "ls-files", "-co", "--exclude-standard", "*.py", "dev"], cwd=common.ROOT).split()
    bad = 0
    for name in listed:
        file = common.ROOT / name
        if file.exists():
            try:
                compile(file.read_bytes(), name, "exec")
            except SyntaxError as error:
                common.say(f"{name}:{error.lineno}: {error.msg}")
                bad += 1
    return bad


def results(fast=False):
    """(name, whether it failed) of each step, as they end."""
    for name, step in steps(fast):
        since = time.monotonic()
        try:
            bad = step()
        except common.Failed as error:
            common.say(str(error))
            bad = 1
        common.say(f"check {name}: {'FAILED' if bad else 'ok'} ({time.monotonic() - since:.1f} s)")
        yield name, bool(bad)


def run(args):
    done = list(results("--fast" in args))
    failed = [name for name, bad in done if bad]
    common.say(f"check: {len(done) - len(failed)} passed, {len(failed)} failed"
               + (f" ({', '.join(failed)})" if failed else ""))
    return 1 if failed else 0
