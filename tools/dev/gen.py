"""./dev gen [--check]: committed files that come from the server's own tables; --check compares instead of writing."""
import json
import pathlib
import subprocess
import tempfile

from dev import build, common, served

MADE = [  # (file, where the running server gives it)
    ("api/slipway.openapi.json", "/openapi.json"),
]
DUMPED = [  # (file, the command that prints it)
    ("src/app/schema.sql", ["dump", "schema"]),
]


def texts(binary):
    """(file, its text as it should be); one server on an empty directory prints them all."""
    with tempfile.TemporaryDirectory(prefix="slipway-gen-") as folder:
        server = served.Server(binary, pathlib.Path(folder) / "data")
        try:
            api = server.start().api()
            made = [(name, api.send("GET", path).json()) for name, path in MADE]
            server.stop()
        finally:
            server.kill()
    dumped = [(common.ROOT / name, subprocess.run([str(binary), *command], check=True, capture_output=True, text=True).stdout)
              for name, command in DUMPED]
    return dumped + [(common.ROOT / name, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n") for name, value in made]


def run(args):
    stale = 0
    for file, text in texts(build.build("dev", ["slipway"]) / "slipway"):
        name = file.relative_to(common.ROOT)
        if file.exists() and file.read_text() == text:
            common.say(f"gen: {name} is fresh")
        elif "--check" in args:
            common.say(f"gen: {name} is stale: ./dev gen")
            stale += 1
        else:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
            common.say(f"gen: {name} written")
    return 1 if stale else 0
