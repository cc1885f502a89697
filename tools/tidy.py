#!/usr/bin/env python3
"""What clang-tidy doesn't know about this house: bans with their replacement, and lengths.

    python3 tools/tidy.py [repository]

Lengths are ratchets: tools/budgets.toml, [ratchet], holds what is over the limit today ("path:rule" or
"path:function:rule" = figure); it may shrink and never grow, and a line that is no longer needed is an error.
"""
import pathlib
import re
import subprocess
import sys
import tomllib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import cpp_text  # noqa: E402

# (pattern in code, where it is allowed: path prefixes below src, what to use instead)
BANS = [
    (r"\bstd::(jthread|thread)\b", ("sys/", "base/", "http/", "grpc/"), "tasks come from sys::Executor"),
    (r"\bstd::(recursive_|shared_|timed_)*mutex\b|\bstd::(lock_guard|unique_lock|scoped_lock)\b",
     ("sys/", "base/"), "sys::Mutex and sys::Lock"),
    (r"\bstd::condition_variable", ("sys/", "base/"), "sys::CondVar"),
    (r"\b(sleep_for|usleep|nanosleep)\b|\bthis_thread::", ("sys/",), "wait on a CondVar or a timer of sys::Executor"),
    (r"\b(system_clock|steady_clock|high_resolution_clock)::now\b|\b(clock_gettime|gettimeofday)\s*\(|\bstd::time\s*\(",
     ("sys/", "base/"), "sys::Clock, passed in"),
    (r"\bstd::(rand|mt19937|mt19937_64|random_device)\b|(?<![\w:.>])s?rand\s*\(", ("sys/",), "sys::Rng, passed in; Dice in tests"),
    (r"(?<![\w.>])(std::)?(secure_)?getenv\s*\(", ("sys/", "base/", "test/"), "settings come from app/config; sys reads the environment"),
    (r"(?<![\w.>])(std::)?(fopen|freopen|tmpfile)\s*\(|\bstd::[io]?fstream\b|\bstd::filesystem\b",
     ("sys/", "test/"), "sys::Fs, passed in"),
    (r"(?<![\w.>:])(::)?(open|openat|creat|socket|connect|accept4?|bind|listen)\s*\((?=[^)]*(O_|AF_|SOCK_|sockaddr))",
     ("sys/", "http/"), "sys::Fs or sys::Net, passed in"),
    (r"\bstd::(regex|basic_regex|smatch|cmatch)\b", (), "RE2 behind codec, or a small parser"),
    (r"\bstd::(cout|cerr|clog|cin|endl)\b", (), "sys::Log, or the printer of cli/"),
    (r"(?<![\w.>])(std::)?(printf|puts|fprintf|fputs)\s*\(", ("app/", "cli/", "sys/", "base/check.cc", "test/"),
     "sys::Log, or the printer of cli/"),
    (r"(?<![\w.>])(std::)?(sprintf|vsprintf|strcpy|strcat|gets|strtok)\s*\(", (), "std::string and base/text.h"),
    (r"(?<![\w.>])(std::)?(stoi|stol|stoll|stoul|stoull|stof|stod|atoi|atol|atof|strtol|strtoul|strtoll|strtoull|strtod|strtof|sscanf)\s*\(",
     ("base/", "codec/"), "the parsers of base/text.h (they reject what doesn't fit)"),
    (r"(?<!\w)throw\b(?!\s*\()", ("base/",), "return an Error; our code doesn't throw"),
    (r"\bcatch\s*\(", ("base/", "sys/"), "guarded(...) of base/guard.h"),
    (r"\busing\s+namespace\b(?! std::chrono\b)", ("app/main.cc",), "names in full, or a using declaration in a .cc"),
    (r"(?<![\w.>])(malloc|calloc|realloc|free)\s*\(", ("sys/", "base/"), "values, or std::unique_ptr"),
    (r"=\s*new\b|\breturn\s+new\b|(?<![=\w] )\bdelete\s+\w", ("sys/", "base/"), "std::make_unique"),
    (r"\breinterpret_cast<(?!(const )?(u?int8_t|unsigned char|char|std::byte)\b)", (
        "sys/", "base/", "codec/", "store/", "engine/", "http/", "grpc/", "serving/", "test/"), "std::bit_cast or std::memcpy"),
    (r"\bassert\s*\(", (), "CHECK of base/check.h (it stays on)"),
    (r"\bsystem\s*\(|\bpopen\s*\(", (), "sys::Process, without a shell"),
    (r"std::atomic<\s*std::shared_ptr", (), "base::Snapshot"),
    (r"\bDISABLED_|GTEST_SKIP\s*\(", ("test/suites/",), "delete the test, or make it run"),
]

TESTS_MAY = {pattern for pattern, _, _ in BANS if re.search(r"catch|namespace|stoi", pattern)}

# Headers that cost seconds or leak a library: .cc files of these folders only.
HEAVY = [
    (r"nlohmann/", ("codec/",)), (r"simdjson\.h", ("codec/", "wire/oip/")), (r"(arrow|parquet)/", ("codec/",)),
    (r"yaml-cpp/", ("codec/",)), (r"boost/math/", ("engine/", "monitor/")),
    (r"boost/", ("http/", "sys/")), (r"triton/\w+\.pb\.h", ("serving/", "wire/")),
    (r"grpc(pp)?/|google/protobuf/|[\w/]+\.pb\.h", ("grpc/", "codec/", "wire/")),
    (r"spdlog/|fmt/", ("sys/",)), (r"onnxruntime", ("serving/",)), (r"openssl/", ("codec/", "http/", "sys/")),
    (r"sqlite3\.h|libpq-fe\.h|hiredis/", ("store/",)), (r"prometheus/", ("core/telemetry/",)),
    (r"(zstd|xxhash|zlib|brotli/\w+)\.h", ("codec/",)), (r"re2/", ("codec/", "engine/", "guard/", "monitor/")),
    (r"CLI/", ("cli/", "app/")), (r"librdkafka/", ("store/kafka/",)),
]
HEAVY_HEADERS = ("http/core.h", "grpc/core.h")  # Private, between the three .cc files that share a loop.
HEADER_BANS = r"<(iostream|regex|filesystem|sstream|format|ranges|fstream)>"
OUTSIDE = re.compile(r"(?<![\w./])/work/|pypi\.org|pythonhosted\.org|registry\.npmjs|deb\.debian\.org|//[\w.-]*debian\.org/debian")
CODE_COMMENT = re.compile(r"^//\s*(?!NOLINT|.*\b[a-z]+ [a-z]+ [a-z]+ )((?:[\w:<>*&]+ )?[\w:.\->\[\]()]+\s*(=|\()[^.]*;|\}|\{|(if|for|while|return)\b.*[;{])\s*$")
TODO = re.compile(r"\b(TODO|FIXME|XXX|HACK|nocommit)\b(?!\(#\d+\))", re.I)


def allowed_in(path, prefixes):
    return any(path.startswith(p) for p in prefixes)


class Tidy:
    def __init__(self, repository, budgets):
        self.repository, self.src = repository, repository / "src"
        self.limits, self.ratchet = budgets["length"], dict(budgets.get("ratchet", {}))
        self.errors = []

    def over(self, where, key, figure, limit, what):
        """One length; what is over its limit must stand in the ratchet with at least this figure."""
        if figure <= limit:
            return
        allowed = self.ratchet.pop(key, None)
        if allowed is None:
            self.errors.append(f"{where}: {what} {figure}, the limit is {limit}")
        elif figure > allowed:
            self.errors.append(f"{where}: {what} grew from {allowed} to {figure} (limit {limit})")
        elif figure < allowed:
            self.errors.append(f"{where}: {what} shrank to {figure}: lower \"{key}\" in tools/budgets.toml")

    def check_source(self, file):
        path, text = file.relative_to(self.src).as_posix(), file.read_text()
        self.check_bans(path, text)
        self.check_includes(path, text)
        self.check_comments(path, text)
        self.check_lengths(path, text)
        if file.suffix == ".h":
            if "#pragma once" not in text:
                self.errors.append(f"src/{path}:1: no #pragma once")
            if not any(c.strip("/ ") for _, c in cpp_text.comments(text)):
                self.errors.append(f"src/{path}:1: a header opens with what it is, its invariant, its threads")

    def check_bans(self, path, text):
        code = cpp_text.blank(text)
        is_test = bool(re.search(r"_(test|fuzz|bench)\.cc$", path)) or path.startswith("test/")
        for number, line in enumerate(code.split("\n"), 1):
            for pattern, where, instead in BANS:
                if allowed_in(path, where) or (is_test and pattern in TESTS_MAY):
                    continue
                if found := re.search(pattern, line):
                    self.errors.append(f"src/{path}:{number}: `{found.group(0).strip()}`: use {instead}")
            if not line.isascii():
                self.errors.append(f"src/{path}:{number}: only ASCII outside comments and strings")

        for number in cpp_text.late_trys(text):
            self.errors.append(f"src/{path}:{number}: TRY after another element inside braces: GCC 12 leaks what was "
                               "built before it; name the value first")

    def check_includes(self, path, text):
        for number, line in enumerate(text.split("\n"), 1):
            found = re.match(r'\s*#\s*include\s+([<"][^>"]+[>"])', line)
            if not found:
                continue
            name = found.group(1)
            if path.endswith(".h") and re.fullmatch(HEADER_BANS, name) and not path.endswith(".pch.h"):
                self.errors.append(f"src/{path}:{number}: {name} in a header: declare here, use it in the .cc")
            heavy = next(((p, w) for p, w in HEAVY if re.match(p, name[1:])), None)
            if not heavy or name.startswith('"') or path.startswith("test/"):
                continue
            if path.endswith(".h") and path not in HEAVY_HEADERS:
                self.errors.append(f"src/{path}:{number}: {name} in a header: only .cc files include it")
            if not allowed_in(path, heavy[1]):
                self.errors.append(f"src/{path}:{number}: {name} belongs to {' '.join(heavy[1])}: call that module")

    def check_comments(self, path, text):
        for number, line in cpp_text.comments(text):
            if TODO.search(line):
                self.errors.append(f"src/{path}:{number}: a TODO names its issue: TODO(#12)")
            if CODE_COMMENT.match(line.strip()):
                self.errors.append(f"src/{path}:{number}: commented-out code; git remembers it")

    def check_lengths(self, path, text):
        limits, lines = self.limits, text.split("\n")
        kind = "header" if path.endswith(".h") else "wire" if path.startswith("wire/") and "_test" not in path else "source"
        self.over(f"src/{path}", f"{path}:lines", len(lines) - 1, limits[kind], "lines")
        for number, line in enumerate(lines, 1):
            if len(line) > limits["columns"]:
                self.errors.append(f"src/{path}:{number}: {len(line)} columns, the limit is {limits['columns']}")
        for f in cpp_text.functions(text):
            where = f"src/{path}:{f.line}: {f.name}"
            self.over(where, f"{path}:{f.name}:lines", f.lines, limits["function"], "lines of function")
            self.over(where, f"{path}:{f.name}:params", f.params, limits["params"], "parameters")
            self.over(where, f"{path}:{f.name}:nesting", f.nesting, limits["nesting"], "nesting")

    def check_unused_headers(self, files):
        included = set()
        for file in files:
            included |= set(re.findall(r'#\s*include\s+["<]([^">]+)[">]', file.read_text()))
        for file in files:
            path = file.relative_to(self.src).as_posix()
            if path.endswith(".h") and not path.endswith(".pch.h") and path not in included:
                self.errors.append(f"src/{path}:1: no file includes this header")

    def check_texts(self, names):
        """No registry host, no path of somebody's machine, anywhere in the repository."""
        for name in names:
            file = self.repository / name
            if not file.is_file() or file.suffix in (".png", ".onnx", ".parquet", ".gz", ".woff2") or name in (
                    "tools/tidy.py", "tools/tests/test_tidy.py"):
                continue
            try:
                text = file.read_text()
            except UnicodeDecodeError:
                continue
            for number, line in enumerate(text.split("\n"), 1):
                if found := OUTSIDE.search(line):
                    self.errors.append(f"{name}:{number}: `{found.group(0)}`: no host of a registry, no path of a machine")

    def run(self, names):
        files = sorted(p for e in ("*.h", "*.cc") for p in self.src.rglob(e))
        for file in files:
            self.check_source(file)
        self.check_unused_headers(files)
        self.check_texts(names)
        self.errors += [f"tools/budgets.toml: \"{key}\" isn't over its limit any more; remove the line"
                        for key in self.ratchet]
        return len(files)


def main(argv):
    repository = pathlib.Path(argv[0] if argv else ".").resolve()
    budgets = tomllib.loads((repository / "tools/budgets.toml").read_text())
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=repository, text=True,
                           stdout=subprocess.PIPE, check=True).stdout.split("\n")
    tidy = Tidy(repository, budgets)
    count = tidy.run([n for n in names if n])
    print("\n".join(tidy.errors) or f"tidy: {count} files, nothing banned, nothing too long")
    return 1 if tidy.errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
