"""./dev lock -- CMD ...: runs a command while holding the machine-wide build lock."""
from dev import common


def run(args):
    if args[:1] == ["--"]:
        args = args[1:]
    if not args:
        raise common.Failed("usage: ./dev lock -- CMD ...")
    with common.machine_lock():
        return common.run(args, check=False, show=False)
