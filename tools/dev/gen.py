"""./dev gen [--check]: committed files that come from the binary's own tables.

A row says which file and which command prints it; --check compares instead of writing.
"""
from dev import build, common

MADE = [
    ("api/slipway.openapi.json", ["dump", "openapi"]),
]


def run(args):
    binary = build.build("dev", ["slipway"]) / "slipway"
    stale = 0
    for name, command in MADE:
        file = common.ROOT / name
        text = common.output([binary, *command])
        if not text.lstrip().startswith("{"):
            common.say(f"gen: `slipway {' '.join(command)}` printed nothing for {name}")
            stale += 1
        elif "--check" in args:
            if not file.exists() or file.read_text() != text:
                common.say(f"gen: {name} is stale: ./dev gen")
                stale += 1
        else:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
            common.say(f"gen: {name}")
    return 1 if stale else 0
