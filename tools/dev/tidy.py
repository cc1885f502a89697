"""./dev tidy [--all] [file ...]: clang-tidy (pinned) on what differs from origin/main, on all of src, or on files.

Only .cc files are run; headers are seen through them. The flags are those of the dev build without its
precompiled header, which is GCC's.
"""
import concurrent.futures
import json
import shlex
import subprocess

from dev import build, common, fmt


def database():
    """build/tidy/compile_commands.json, readable by clang; returns its files."""
    entries = json.loads((common.BUILD / "dev" / "compile_commands.json").read_text())
    kept, pch = [], str(common.ROOT / "src/base/std.pch.h")
    for entry in entries:
        if not entry["file"].startswith(str(common.ROOT / "src")):
            continue
        words = shlex.split(entry["command"])
        words = words[next(i for i, w in enumerate(words) if w.endswith("g++-12")):]
        clean, skip = [], False
        for word in words:
            if skip:
                clean += ["-include", pch] if word.endswith("cmake_pch.hxx") else []
            elif word not in ("-include", "-fpch-preprocess", "-Winvalid-pch", "-Werror"):
                clean.append(word)
            skip = word == "-include"
        kept.append({**entry, "command": shlex.join(clean)})
    out = common.BUILD / "tidy"
    out.mkdir(exist_ok=True)
    (out / "compile_commands.json").write_text(json.dumps(kept))
    return {entry["file"] for entry in kept}


def check_file(file):
    done = subprocess.run([str(common.venv_dir() / "bin" / "clang-tidy"), "-p", str(common.BUILD / "tidy"), "--quiet", file],
                          cwd=common.ROOT, text=True, errors="replace", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return file, done.returncode, done.stdout


def run(args):
    build.build("dev")
    known = database()
    names = [a for a in args if not a.startswith("-")]
    names = names or (fmt.sources() if "--all" in args else fmt.changed())
    files = [str((common.ROOT / n).resolve()) for n in names]
    files = [f for f in files if f in known]
    bad, seen = [], set()
    with common.machine_lock(), concurrent.futures.ThreadPoolExecutor(2) as pool:
        for file, status, text in pool.map(check_file, files):
            if status:
                bad.append(file)
                if text not in seen:
                    common.say(text.strip())
                seen.add(text)
    common.say(f"tidy: {len(files) - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0
