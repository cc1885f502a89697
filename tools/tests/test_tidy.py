import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import cpp_text  # noqa: E402
import tidy  # noqa: E402

LIMITS = {"columns": 100, "source": 600, "header": 250, "wire": 400, "function": 70, "params": 5, "nesting": 4}


def errors(files, ratchet=None):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        checker = tidy.Tidy(root, {"length": LIMITS, "ratchet": ratchet or {}})
        checker.run(list(files))
        return checker.errors


class Bans(unittest.TestCase):
    BAD = [
        "auto t = std::chrono::system_clock::now();", "std::thread t(f);", "std::mutex m;",
        "std::this_thread::sleep_for(x);", "int r = rand();", "FILE* f = fopen(a, b);",
        "const char* h = getenv(\"HOME\");", "int fd = open(path, O_RDONLY);",
        "int s = socket(AF_INET, SOCK_STREAM, 0);", "std::regex r(a);", "std::cout << 1;",
        "printf(\"x\");", "int i = atoi(s);", "int i = std::stoi(s);", "throw 1;",
        "try { f(); } catch (...) {}", "using namespace std;", "auto* p = new T;", "delete p;",
        "assert(x);", "popen(a, b);", "std::atomic<std::shared_ptr<T>> p;", "std::ifstream in(p);",
        "// TODO: later", "// int x = f(3);", "// if (x) {", "int f\u00fcnf = 5;",
    ]
    GOOD = [
        "int x = 1;  // std::mutex would do too", "log(\"printf( and std::thread\");",
        "// TODO(#12): later", "auto t = clock.now_ms();", "X(const X&) = delete;",
        "file.open(path);", "// See RFC 8785; keys sorted by code unit.", "r.catch_up();",
        "std::string text = R\"(using namespace x;)\";", "auto at = lifetime(3);", "// \u2026 n-1",
        "// What append() promises is the ack: kKernel: the bytes have been written (they survive);",
        "using namespace std::chrono;", "timer.time(3);", "auto v = registry.rand(3);", "char c = '\"'; int renew = 1;",
    ]

    def test_bad_lines(self):
        for line in self.BAD:
            with self.subTest(line):
                self.assertEqual(1, len(errors({"src/data/x.cc": line + "\n"})), line)

    def test_good_lines(self):
        for line in self.GOOD:
            with self.subTest(line):
                self.assertEqual([], errors({"src/data/x.cc": line + "\n"}), line)

    def test_allowed_where_it_belongs(self):
        self.assertEqual([], errors({"src/sys/x.cc": "std::mutex m;\n"}))

    def test_tests_may_more(self):
        self.assertEqual([], errors({"src/data/x_test.cc": "int i = std::stoi(s);\nusing namespace slip;\n"}))
        self.assertEqual(1, len(errors({"src/data/x_test.cc": "std::mutex m;\n"})))

    def test_headers(self):
        use = {"src/data/x.cc": '#include "data/x.h"\n'}
        self.assertIn("header opens with", errors({**use, "src/data/x.h": "#pragma once\n"})[0])
        self.assertIn("no #pragma once", errors({**use, "src/data/x.h": "// What it is.\n"})[0])
        self.assertIn("<sstream> in a header",
                      errors({**use, "src/data/x.h": "#pragma once\n// It.\n#include <sstream>\n"})[0])
        self.assertIn("no file includes", errors({"src/data/x.h": "#pragma once\n// It.\n"})[0])

    def test_heavy_headers(self):
        self.assertIn("belongs to codec/", errors({"src/data/x.cc": "#include <nlohmann/json.hpp>\n"})[0])
        self.assertEqual([], errors({"src/codec/x.cc": "#include <nlohmann/json.hpp>\n"}))
        self.assertEqual([], errors({"src/engine/stats/x.cc": "#include <boost/math/special.hpp>\n"}))

    def test_hosts_and_paths(self):
        self.assertEqual(1, len(errors({"docs/a.md": "see https://pypi." + "org/x\n"})))
        self.assertEqual(1, len(errors({"docs/a.md": "in /work" + "/wt/x\n"})))
        self.assertEqual([], errors({"docs/a.md": "a file of docs/work/x\n"}))


class LateTrys(unittest.TestCase):
    BAD = [
        "A a{b(), TRY(c())};", "return {b, TRY(c())};", "v.push_back({b, TRY(c())});",
        "f({.a = 1, .b = TRY(c())});", "A a{b, f(TRY(c()))};", "A a{b, {TRY(c())}};",
        "A a{{b, c}, {TRY(d())}};", "A a{b,\n    TRY(c())};", "f([&] { return A{b, TRY(c())}; });",
        "Json j = Json::object({{\"a\", g(x, TRY(c()))}});",
    ]
    GOOD = [
        "A a{TRY(c())};", "A a{TRY(c()), b};", "f(b, TRY(c()));", "A a(b, TRY(c()));", "A a = f({b, c}, TRY(d()));",
        "run(b, [&] { TRY(c()); });", "A a{b, [&] { return TRY(c()); }};", "if (a) { TRY(c()); }",
        "int x, y; { TRY(c()); }", "for (int i = 0, n = 3; i < n; ++i) { if (TRY(c())) { d(); } }",
        "A a{std::pair<int, int>(TRY(c()))};", "A a{b, c};  // not TRY(d())", "#define X(...) ({ A a{b, TRY(c())}; })",
        "A a{b, \"TRY(c())\"};", "A a{b, RETRY(c())};",
    ]

    def test_found(self):
        for code in self.BAD:
            with self.subTest(code):
                found = errors({"src/data/x.cc": f"void f() {{\n{code}\n}}\n"})
                self.assertEqual(1, len(found), found)
                self.assertIn("TRY after another element", found[0])

    def test_left_alone(self):
        for code in self.GOOD:
            with self.subTest(code):
                self.assertEqual([], errors({"src/data/x.cc": f"void f() {{\n{code}\n}}\n"}))

    def test_line(self):
        self.assertEqual([3, 4], cpp_text.late_trys("void f() {\n  A a{b,\n    TRY(c()),\n    TRY(d())};\n}\n"))


BODY = "{\n" + "  a();\n" * 70 + "}\n"


class Lengths(unittest.TestCase):
    def test_functions_found(self):
        text = """
namespace a {
struct S {
  S(int a, std::map<int, int> b) : a_(a), b_{b} { f(); }
  int get() const { return 1; }
  int x = 3;
};
enum class E { kA, kB };
constexpr Row kRows[] = {{"a", 1}, {"b", 2}};
template <class T, class U>
Result<int> S::go(int a, int b,
                  int c) {
  if (a) {
    for (;;) {
      auto f = [&](int x) { return T{1, 2}; };
    }
  }
}
#define BODY(x) { x(1, 2, 3); }
extern "C" { int c_way(void) { return 0; } }
}
"""
        found = {f.name: f for f in cpp_text.functions(text)}
        self.assertEqual({"S", "get", "S::go", "c_way"}, set(found))
        self.assertEqual(2, found["S"].params)
        self.assertEqual(3, found["S::go"].params)
        self.assertEqual(3, found["S::go"].nesting)
        self.assertEqual(9, found["S::go"].lines)
        self.assertEqual(0, found["c_way"].params)

    def test_limits_and_ratchet(self):
        long = {"src/data/x.cc": "void f() " + BODY}
        self.assertIn("lines of function 72, the limit is 70", errors(long)[0])
        self.assertEqual([], errors(long, {"data/x.cc:f:lines": 72}))
        self.assertIn("grew from 71 to 72", errors(long, {"data/x.cc:f:lines": 71})[0])
        self.assertIn("lower", errors(long, {"data/x.cc:f:lines": 80})[0])
        self.assertIn("remove the line", errors({}, {"data/x.cc:f:lines": 80})[0])

    def test_other_lengths(self):
        self.assertIn("601", errors({"src/data/x.cc": "int a;\n" * 601})[0])
        self.assertIn("401", errors({"src/wire/m/x.cc": "int a;\n" * 401})[0])
        self.assertIn("101 columns", errors({"src/data/x.cc": "int a = " + "1" * 92 + ";\n"})[0])
        self.assertIn("parameters 6", errors({"src/data/x.cc": "void f(int a, int b, int c, int d, int e, T<1, 2> g) {}\n"})[0])
        deep = "void f() { if (a) { if (b) { if (c) { if (d) { if (e) { g(); } } } } } }\n"
        self.assertIn("nesting 5", errors({"src/data/x.cc": deep})[0])


if __name__ == "__main__":
    unittest.main()
