"""symbols.py on shared objects made here, one per way in which a symbol gets a second owner."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import symbols  # noqa: E402

CXX = next((c for c in ("g++-12", "g++") if shutil.which(c)), None)


@unittest.skipIf(CXX is None, "no compiler yet: ./dev setup")
class Symbols(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def library(self, name, code, *flags):
        self.compile(name, code, "-shared", "-fPIC", *flags)

    def compile(self, name, code, *flags):
        (self.folder / "x.cc").write_text(code)
        subprocess.run([CXX, "-w", "-O0", "x.cc", "-o", name, *flags], cwd=self.folder, check=True)

    def errors(self, code, *libraries, flags=()):
        self.compile("program", code, "-fPIC", "-Wl,--no-as-needed", *libraries, "-Wl,-rpath,$ORIGIN", *flags)
        objects, missing = symbols.load(self.folder / "program")
        self.assertEqual([], missing)
        return symbols.check(objects)

    def test_one_owner_each(self):
        self.library("liba.so", "int a() { return 1; }")
        self.assertEqual([], self.errors("int a(); int main() { return a(); }", "./liba.so"))

    def test_import_with_two_definitions(self):
        self.library("liba.so", "int f() { return 1; }")
        self.library("libb.so", "int f() { return 2; }")
        found = self.errors("int f(); int main() { return f(); }", "./liba.so", "./libb.so")
        self.assertIn("f(): program may bind it to any of liba.so, libb.so", found)

    def test_own_call_that_another_library_preempts(self):
        self.library("liba.so", "int f() { return 1; } int a() { return f(); }")
        self.library("libb.so", "int f() { return 2; } int b() { return 3; }")
        code = "int a(); int b(); int main() { return a() + b(); }"
        self.assertEqual(["f(): liba.so may bind it to any of liba.so, libb.so"],
                         self.errors(code, "./libb.so", "./liba.so"))
        self.library("liba.so", "int f() { return 1; } int a() { return f(); }", "-Wl,-Bsymbolic")
        self.assertEqual([], self.errors(code, "./libb.so", "./liba.so"))

    def test_program_that_exports(self):
        self.library("liba.so", "int f() { return 1; } int a() { return f(); }")
        code = "int a(); int f() { return 2; } int main() { return a() + f(); }"
        self.assertIn("f(): exported by the program", self.errors(code, "./liba.so"))
        (self.folder / "map").write_text("{ local: *; };")
        self.assertEqual([], self.errors(code, "./liba.so", flags=["-Wl,--version-script=map"]))

    def test_library_opened_later_is_preempted_but_preempts_nobody(self):
        self.library("liba.so", "int f() { return 1; } int a() { return f(); }")
        self.library("libduckdb.so", "int f() { return 2; } int d() { return f(); }")
        found = self.errors("int a(); int main() { return a(); }", "./liba.so")
        self.assertEqual(["f(): libduckdb.so may bind it to any of liba.so, libduckdb.so"], found)

    def test_taken_from_a_library_whose_business_it_is_not(self):
        self.library("libarrow.so", "namespace simdjson { int parse() { return 1; } } namespace arrow { int go() { return 2; } }")
        code = "namespace simdjson { int parse(); } namespace arrow { int go(); } int main() { return simdjson::parse() + arrow::go(); }"
        self.assertEqual(["simdjson::parse(): the program takes it from pyarrow, whose business it isn't"],
                         self.errors(code, "./libarrow.so"))

    def test_templates_of_the_runtime(self):
        plain = "#include <vector>\ntemplate class std::vector<int>;"
        twice = "#include <vector>\nnamespace re2 { struct Prog { int a; }; }\ntemplate class std::vector<re2::Prog>;"
        program = "int main() { return 0; }"
        for code, clean in ((plain, True), (twice, False)):
            self.library("liba.so", code + "\nvoid a(std::vector<int>& v) { v.push_back(1); }")
            self.library("libb.so", code + "\nvoid b(std::vector<int>& v) { v.push_back(1); }")
            found = self.errors(program, "./liba.so", "./libb.so")
            self.assertEqual(clean, found == [], found[:3])


if __name__ == "__main__":
    unittest.main()
