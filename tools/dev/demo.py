"""./dev demo [--quick] [--port N] [--preset P]: builds what is missing and tells the document-triage story.

--clean removes what earlier demos wrote; --preset dev uses the development build instead of the release one.
"""
import argparse
import shutil

from dev import build, common, setup


def run(args):
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
    return common.run([common.venv_python(), common.ROOT / "examples" / "documents" / "demo.py",
                       "--binary", out / "slipway", *rest], check=False)
