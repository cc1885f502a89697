#!/usr/bin/env python3
"""Checks every #include "..." of src against src/MODULES, the one picture of who may know whom.

    python3 tools/arrows.py [src]

A line of MODULES is `module : what it may include`; a module is a folder with all below it that has
no line of its own. `*` stands for everything (only for app, cli, ui and test). Found here: an arrow
that isn't allowed, one that is allowed but unused, a cycle, an arrow that goes up a floor, a private
header seen from outside its folder, a file in no module, an include of a file that isn't there.
Tests may include test/ and the simulated sys/sim besides what their module may.
"""
import pathlib
import re
import sys

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.M)
PRIVATE = re.compile(r"_(store|internal)\.h$")  # Seen only by its own folder.
TEST_FILE = re.compile(r"(_(test|fuzz|bench)\.cc|(^|/)test_\w+\.h)$")  # test_NAME.h: shared by tests of a folder

DOMAINS = {"tracking", "registry", "data", "pipelines", "features", "serving", "rollout", "monitor",
           "guard", "govern", "train", "deploy", "cost"}
FLOORS = ["base", "sys", "codec", "engine", "store", "core", "plane", "domain", "wire", "app", "test"]
EVERYTHING = {"app", "cli", "ui", "test"}  # May be given `*`.


def floor_of(module):
    top = module.split("/")[0]
    if top in DOMAINS:
        return "domain"
    if top in ("http", "grpc"):
        return "plane"
    if top in ("cli", "ui"):
        return "app"
    return top if top in FLOORS else None


def floor_error(module, dep):
    """Why design.md forbids this arrow however much MODULES wants it; None if it doesn't."""
    here, there = floor_of(module), floor_of(dep)
    if here is None or there is None:
        return None
    if FLOORS.index(there) > FLOORS.index(here):
        return f"an arrow goes down only, and {there} is above {here}"
    if here == "engine" and there not in ("base", "engine"):
        return "engines are pure: they know base and each other"
    if here == "domain" and there == "plane":
        return "domains don't know transports"
    if here == "wire" and there in ("wire", "store"):
        return f"a wire never includes {'another wire' if there == 'wire' else 'store'}"
    return None


def read_modules(text, errors):
    allowed = {}
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, colon, deps = (part.strip() for part in line.partition(":"))
        if not colon or name in allowed:
            errors.append(f"MODULES: {name} is {'listed twice' if name in allowed else 'not followed by a colon'}")
        allowed[name] = set(deps.split())
    for name, deps in allowed.items():
        if "*" in deps and name.split("/")[0] not in EVERYTHING:
            errors.append(f"MODULES: {name} may not know everything")
        for dep in sorted(deps - {"*"}):
            if dep not in allowed:
                errors.append(f"MODULES: {name} -> {dep}, but {dep} has no line")
            elif reason := floor_error(name, dep):
                errors.append(f"MODULES: {name} -> {dep}: {reason}")
    return allowed


def module_of(path, allowed):
    return next((str(p) for p in pathlib.PurePosixPath(path).parents if str(p) in allowed), None)


def find_cycle(allowed):
    done = set()

    def visit(module, trail):
        if module in trail:
            return trail[trail.index(module):] + [module]
        if module in done:
            return None
        for dep in sorted(allowed.get(module, set()) - {"*"}):
            if cycle := visit(dep, trail + [module]):
                return cycle
        done.add(module)
        return None

    return next((c for m in sorted(allowed) if (c := visit(m, []))), None)


def check_file(root, file, allowed, used, errors):
    here = file.relative_to(root).as_posix()
    mine = module_of(here, allowed)
    if mine is None:
        errors.append(f"{here}: in no module of MODULES")
        return
    for target in INCLUDE.findall(file.read_text()):
        if not (root / target).exists():
            errors.append(f"{here}: {target} is not there (paths start at {root.name}/)")
            continue
        folder = str(pathlib.PurePosixPath(target).parent)
        if PRIVATE.search(target) and folder != str(pathlib.PurePosixPath(here).parent):
            errors.append(f"{here}: {target} is private to {folder}/")
        theirs = module_of(target, allowed)
        if theirs in (None, mine):
            continue
        used.add((mine, theirs))
        open_to_tests = TEST_FILE.search(here) and (theirs.split("/")[0] == "test" or theirs == "sys/sim")
        if not open_to_tests and not allowed[mine] & {theirs, "*"}:
            errors.append(f"{here}: {mine} may not know {theirs} ({target})")


def check(root):
    """Returns (errors, modules, arrows used)."""
    errors, used = [], set()
    allowed = read_modules((root / "MODULES").read_text(), errors)
    if cycle := find_cycle(allowed):
        errors.append("MODULES: cycle " + " -> ".join(cycle))
    for file in sorted(p for e in ("*.h", "*.cc") for p in root.rglob(e)):
        check_file(root, file, allowed, used, errors)
    for module, deps in allowed.items():
        errors += [f"MODULES: {module} -> {dep} is allowed but unused; remove the arrow"
                   for dep in sorted(deps - {"*"}) if (module, dep) not in used]
    return errors, len(allowed), len(used)


def main(argv):
    errors, modules, arrows = check(pathlib.Path(argv[0] if argv else "src"))
    print("\n".join(errors) or f"arrows: {modules} modules, {arrows} arrows, no surprises")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
