"""./dev fuzz [target|smoke] [--seconds N]: libFuzzer with sanitizers (clang-19).

smoke (the default) gives every target N seconds (10); a name gives that target N (60). New inputs go to
build/fuzz/corpus/NAME; a crash is written to build/fuzz/crashes/ and belongs into test/corpus/NAME.
"""
import argparse

from dev import build, common


def run(args):
    parser = argparse.ArgumentParser(prog="./dev fuzz")
    parser.add_argument("target", nargs="?", default="smoke")
    parser.add_argument("--seconds", type=int)
    args = parser.parse_args(args)
    out = build.build("fuzz", ["slip_fuzz"])
    known = common.output([out / "slip_fuzz"]).split()
    if args.target not in ("smoke", *known):
        raise common.Failed(f"no target '{args.target}'; there are {', '.join(sorted(known)) or 'none'}")
    names = sorted(known) if args.target == "smoke" else [args.target]
    seconds = args.seconds or (10 if args.target == "smoke" else 60)
    bad = [name for name in names if fuzz(out, name, seconds)]
    common.say(f"fuzz: {len(names) - len(bad)} passed, {len(bad)} failed" + (f" ({', '.join(bad)})" if bad else ""))
    return 1 if bad else 0


def fuzz(out, name, seconds):
    grown, crashes = out / "corpus" / name, out / "crashes"
    seeds = common.ROOT / "test" / "corpus" / name
    for folder in (grown, crashes):
        folder.mkdir(parents=True, exist_ok=True)
    dirs = [grown, *([seeds] if seeds.exists() else [])]
    status = common.run([out / "slip_fuzz", f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                         "-max_len=65536", "-print_final_stats=1", f"-artifact_prefix={crashes}/{name}-", *dirs],
                        env={"SLIP_FUZZ": name}, quiet=True, check=False)
    common.say(f"fuzz {name}: {'FAILED' if status else 'ok'} ({seconds} s)")
    return status
