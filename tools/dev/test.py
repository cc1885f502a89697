"""./dev test [filter]: the unit binary; without a filter also simulation seeds and smokes."""
from dev import build, common


def unit(filter_=None, preset="dev"):
    out = build.build(preset, ["slip_tests"])
    args = ["--gtest_brief=1", "--gtest_death_test_style=threadsafe"]
    if filter_:
        args.append(f"--gtest_filter={filter_ if any(c in filter_ for c in '*?:.') else f'*{filter_}*'}")
    return common.run([out / "slip_tests", *args], check=False)


def run(args):
    return unit(args[0] if args else None)
