#!/usr/bin/env python3
"""No symbol may have two owners in our process.

    python3 tools/symbols.py build/dev/slipway [more programs]

Arrow's libraries carry, and export, parts of other libraries (OpenSSL, another RE2, another simdjson);
the dynamic linker binds by name alone, so a second copy steals calls in silence. Terms used here:

  object   the program, what it needs, and the libraries beside it that are opened at run time
  owner    who answers for an object's symbols: the program, `system` (C and C++ runtime), the pyarrow
           family (built together, one owner), or the library itself
  binding  a name that an object looks up at run time: an import, or a relocation against its own
           export (which an earlier object can preempt); a library linked -Bsymbolic has none of the latter

Errors: a binding with definitions of two owners; a name that the program exports (a copy of a library's
data excepted: the linker makes both sides use it); a name that the program takes from a library which has
no business defining it (BUSINESS below); a name that libslipway_rt exports besides its own, or a library that it needs. Exempt are weak definitions of the C++ runtime's own templates
(std::, __gnu_cxx::), which every C++ object carries and which are the same in all.
"""
import dataclasses
import os
import pathlib
import re
import subprocess
import sys

SYSTEM = re.compile(r"^(libc|libm|libdl|libpthread|librt|libresolv|libutil|libstdc\+\+|libgcc_s|ld-linux.*|"
                    r"libasan|libubsan|libtsan)\.so")
FAMILIES = {"pyarrow": re.compile(r"^lib(arrow|parquet)\w*\.so")}
OPENED = re.compile(r"^lib(duckdb|onnxruntime)\.so")  # Beside the program, opened when first used.
BUSINESS = {"pyarrow": re.compile(r"\b(arrow|parquet)::")}
# The C++ runtime's own names, with one ABI for every compiler since GCC 5: whichever definition wins is right …
RUNTIME = re.compile(r"(^| |\*|&)(std|__gnu_cxx|__cxxabiv1)::\S*( const)?( &&?)?$|^(__cxa_|_Unwind_|__gxx_)|^operator (new|delete)")
# … unless it is made for a type of a library that exists here twice, whose layouts may differ.
TWICE = re.compile(r"\b(re2|absl|google::protobuf|grpc\w*|simdjson|YAML|fmt|spdlog|nlohmann|boost|prometheus|slip)::")


@dataclasses.dataclass
class Object:
    path: str
    owner: str
    defined: set = dataclasses.field(default_factory=set)
    imported: set = dataclasses.field(default_factory=set)
    relocated: set = dataclasses.field(default_factory=set)  # names in symbolic relocations
    needed: list = dataclasses.field(default_factory=list)
    opened: bool = False

    def bindings(self):
        return self.imported | self.relocated


def owner_of(name, program):
    if program:
        return "program"
    if SYSTEM.match(name):
        return "system"
    return next((f for f, pattern in FAMILIES.items() if pattern.match(name)), name)


def tool(*cmd, text=None):
    return subprocess.run(cmd, input=text, text=True, stdout=subprocess.PIPE, check=True).stdout


def read_object(path, program=False):
    obj = Object(str(path), owner_of(pathlib.Path(path).name, program))
    for line in tool("readelf", "-W", "--dyn-syms", "-r", "-d", str(path)).splitlines():
        word = line.split()
        if len(word) >= 8 and word[0].endswith(":") and word[4] in ("GLOBAL", "WEAK", "UNIQUE"):
            name = re.sub(r"@.*", "", word[7])
            if word[6] == "UND":
                obj.imported.add(name)
            elif word[5] in ("DEFAULT", "PROTECTED"):
                obj.defined.add(name)
        elif len(word) >= 5 and word[2].startswith("R_X86_64_"):
            name = re.sub(r"@.*", "", word[4])
            if word[2] == "R_X86_64_COPY":
                obj.defined.discard(name)  # The library's own data, placed in the program.
                obj.imported.add(name)
            else:
                obj.relocated.add(name)
        elif "(NEEDED)" in line:
            obj.needed.append(line[line.index("[") + 1:-1])
    obj.defined -= obj.imported
    return obj


def find_library(name, beside):
    if (beside / name).exists():
        return beside / name
    shown = tool("ldconfig", "-p") if os.access("/sbin/ldconfig", os.X_OK) and os.environ.get("PATH", "").find(
        "/sbin") >= 0 else tool("/sbin/ldconfig", "-p")
    for line in shown.splitlines():
        if line.strip().startswith(name + " ") and "x86-64" in line:
            return pathlib.Path(line.rpartition("=> ")[2])
    return None


def load(program, beside=None):
    """The program first, then what it needs, breadth first as the dynamic linker does, then what it opens."""
    beside = beside or pathlib.Path(program).resolve().parent
    objects, missing = [read_object(program, program=True)], []
    seen, queue = set(), list(objects[0].needed)

    def take(names, opened):
        while names:
            name = names.pop(0)
            if name in seen:
                continue
            seen.add(name)
            path = find_library(name, beside)
            if path is None:
                missing.append(name)
                continue
            objects.append(read_object(path))
            objects[-1].opened = opened
            names.extend(objects[-1].needed)

    take(queue, False)
    take(sorted(p.name for p in beside.iterdir() if OPENED.match(p.name)), True)
    return objects, missing


def is_runtime(pretty):
    """Whether a demangled name, without its return type and arguments, is the C++ runtime's."""
    if TWICE.search(pretty):
        return False
    outline = re.sub(r"operator(<=>|<<=|>>=|<<|>>|<=|>=|->\*|->|<|>|\(\))(?!\w)", "operator", pretty)
    before = None
    while before != outline:  # Innermost brackets first.
        before, outline = outline, re.sub(r"\s?\([^()<>]*\)|\s?<[^()<>]*>|\[[^\[\]]*\]", "", outline)
    return bool(RUNTIME.search(outline.strip()))


def demangle(names):
    names = sorted(names)
    return dict(zip(names, tool("c++filt", text="\n".join(names) + "\n").splitlines())) if names else {}


def check(objects):
    """Error lines, sorted; [] when every binding has one owner."""
    definers = {}
    for obj in objects:
        for name in obj.defined:
            definers.setdefault(name, []).append(obj)
    found = []  # (name, text)
    for obj in objects:
        for name in obj.bindings():
            owners = {o.owner for o in definers.get(name, []) if not o.opened or o.owner == obj.owner}
            if len(owners) > 1:
                found.append((name, f"{pathlib.Path(obj.path).name} may bind it to any of {', '.join(sorted(owners))}",
                              "two"))
            if obj.owner == "program" and len(owners) == 1:
                owner = next(iter(owners))
                if owner in BUSINESS:
                    found.append((name, owner, "business"))
    found += [(n, "exported by the program", "export") for n in objects[0].defined]
    pretty = demangle({n for n, _, _ in found})
    errors = set()
    for name, text, mark in found:
        if mark == "business":
            if not BUSINESS[text].search(pretty[name]):
                errors.add(f"{pretty[name]}: the program takes it from {text}, whose business it isn't")
        elif mark == "export" or not is_runtime(pretty[name]):
            errors.add(f"{pretty[name]}: {text}")
    return sorted(errors)


def check_device(path):
    """Of libslipway_rt, which leaves this machine: it exports its own names alone, and needs the C runtime alone."""
    obj = read_object(path)
    errors = [f"{path}: exports {name}" for name in sorted(obj.defined) if not name.startswith("slipway_rt_")
              and name != "SLIPWAY_RT_1"]
    return errors + [f"{path}: needs {name}" for name in obj.needed if not re.match(r"lib(c|m|asan|ubsan|tsan)\.so|ld-linux", name)]


def main(argv):
    bad = 0
    for program in argv:
        objects, missing = load(program)
        errors = check(objects) + [f"{name}: not found" for name in missing]
        device = pathlib.Path(program).resolve().parent / "libslipway_rt.so"
        errors += check_device(device) if device.exists() else []
        bad += len(errors)
        for line in errors[:40]:
            print(f"{program}: {line}")
        if len(errors) > 40:
            print(f"{program}: … and {len(errors) - 40} more")
        names = sum(len(o.bindings()) for o in objects)
        print(f"symbols: {program}: {len(objects)} objects, {names} bindings, {len(errors)} errors")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
