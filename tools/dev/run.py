"""./dev run [--preset P] [args]: builds and starts the server on build/data; args go to `slipway serve`."""
import argparse
import os

from dev import build, common


def run(args):
    parser = argparse.ArgumentParser(prog="./dev run", add_help=False)
    parser.add_argument("--preset", default="dev")
    own, rest = parser.parse_known_args(args)
    binary = build.build(own.preset, ["slipway"]) / "slipway"
    cmd = [str(binary), "serve"]
    if "--data-dir" not in rest:
        cmd += ["--data-dir", str(common.BUILD / "data")]
    common.say("+ " + " ".join(cmd + rest))
    os.execv(cmd[0], cmd + rest)
