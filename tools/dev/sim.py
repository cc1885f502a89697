"""./dev sim [--preset P] [args]: builds and runs `slipway sim`; without args 1,000 seeds."""
import argparse

from dev import build, common


def run(args):
    parser = argparse.ArgumentParser(prog="./dev sim", add_help=False)
    parser.add_argument("--preset", default="dev")
    own, rest = parser.parse_known_args(args)
    binary = build.build(own.preset, ["slipway"]) / "slipway"
    return common.run([binary, "sim", *(rest or ["--seeds", "1000"])], check=False)
