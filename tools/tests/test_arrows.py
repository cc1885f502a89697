import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import arrows  # noqa: E402


class Arrows(unittest.TestCase):
    def errors(self, modules, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "MODULES").write_text(modules)
            for name, includes in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text("".join(f'#include "{i}"\n' for i in includes))
            return arrows.check(root)[0]

    def test_clean_tree(self):
        self.assertEqual([], self.errors(
            "base :\nstore : base  # why\nstore/tree : base store\n",
            {"base/a.h": [], "store/s.h": ["base/a.h"], "store/tree/t.cc": ["store/s.h", "base/a.h"]}))

    def test_each_rule(self):
        base = {"base/a.h": []}
        cases = [
            ("forbidden", "base :\nsys :\n", {**base, "sys/x.cc": ["base/a.h"]},
             "sys/x.cc: sys may not know base (base/a.h)"),
            ("unused", "base :\nsys : base\n", {**base, "sys/x.cc": []},
             "MODULES: sys -> base is allowed but unused; remove the arrow"),
            ("up", "base : sys\nsys :\n", {"base/a.h": ["sys/x.h"], "sys/x.h": []},
             "MODULES: base -> sys: an arrow goes down only, and sys is above base"),
            ("cycle", "core/a : core/b\ncore/b : core/a\n",
             {"core/a/a.h": ["core/b/b.h"], "core/b/b.h": ["core/a/a.h"]},
             "MODULES: cycle core/a -> core/b -> core/a"),
            ("nested module is its own", "store :\nstore/tree :\n",
             {"store/s.h": [], "store/tree/t.cc": ["store/s.h"]},
             "store/tree/t.cc: store/tree may not know store (store/s.h)"),
            ("private", "registry :\nwire/mlflow : registry\n",
             {"registry/r_store.h": [], "wire/mlflow/w.cc": ["registry/r_store.h"]},
             "wire/mlflow/w.cc: registry/r_store.h is private to registry/"),
            ("wire to wire", "wire/a : wire/b\nwire/b :\n",
             {"wire/a/x.cc": ["wire/b/y.h"], "wire/b/y.h": []},
             "MODULES: wire/a -> wire/b: a wire never includes another wire"),
            ("wire to store", "wire/a : store\nstore :\n",
             {"wire/a/x.cc": ["store/y.h"], "store/y.h": []},
             "MODULES: wire/a -> store: a wire never includes store"),
            ("domain to transport", "data : http\nhttp :\n",
             {"data/x.cc": ["http/y.h"], "http/y.h": []},
             "MODULES: data -> http: domains don't know transports"),
            ("no module", "base :\n", {"other/x.cc": []}, "other/x.cc: in no module of MODULES"),
            ("no file", "base :\n", {"base/a.cc": ["base/b.h"]},
             "is not there"),
            ("star", "base :\nstore : *\n", {**base, "store/x.cc": []},
             "MODULES: store may not know everything"),
            ("twice", "base :\nbase :\n", base, "MODULES: base is listed twice"),
            ("unknown", "sys : base\n", {"sys/x.cc": []}, "MODULES: sys -> base, but base has no line"),
        ]
        for name, modules, files, want in cases:
            with self.subTest(name):
                found = self.errors(modules, files)
                self.assertTrue(any(want in e for e in found), found)

    def test_tests_may_use_test_helpers_but_code_may_not(self):
        files = {"sys/x_test.cc": ["test/gen/dice.h"], "test/gen/dice.h": []}
        self.assertEqual([], self.errors("sys :\ntest : *\n", files))
        files = {"sys/x.cc": ["test/gen/dice.h"], "test/gen/dice.h": []}
        self.assertEqual(["sys/x.cc: sys may not know test (test/gen/dice.h)"],
                         self.errors("sys :\ntest : *\n", files))

    def test_app_sees_everything(self):
        self.assertEqual([], self.errors("app : *\nbase :\n", {"app/m.cc": ["base/a.h"], "base/a.h": []}))


if __name__ == "__main__":
    unittest.main()
