"""./dev demo [documents|fraud] [--quick] [--port N] [--preset P]: builds what is missing and tells a story, by default that
of the documents.

--clean removes what earlier demos wrote; --preset dev uses the development build instead of the release one.
"""
import argparse
import shutil

from dev import build, common, setup


STORIES = ("documents", "fraud")


def run(args):
    story = STORIES[0]
    if args and args[0] in STORIES:
        story, args = args[0], args[1:]
    parser = argparse.ArgumentParser(prog="./dev demo", add_help=False)
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("--preset", default="release")
    own, rest = parser.parse_known_args(args)
    if own.clean:
        shutil.rmtree(common.BUILD / "demo", ignore_errors=True)
        common.say(f"demo: removed {common.BUILD / 'demo'}")
        return 0
    setup.ensure()
    out = build.build(own.preset, ["slipway"])
    return common.run([common.venv_python(), common.ROOT / "examples" / story / "demo.py",
                       "--binary", out / "slipway", *rest], check=False)
