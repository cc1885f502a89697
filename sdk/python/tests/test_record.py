"""record: what is looked at in a repository, an environment, a process."""
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import slipway  # noqa: E402
from slipway import record as cap  # noqa: E402


def git(where, *words):
    return subprocess.run(("git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words), cwd=where, check=True,
                          capture_output=True).stdout.decode()


class CaptureTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name).resolve()

    def tearDown(self):
        self.folder.cleanup()

    def repository(self):
        git(self.root, "init", "-q", "-b", "main")
        (self.root / "train.py").write_text("print(1)\n")
        (self.root / "old.bin").write_bytes(bytes(range(256)))
        (self.root / ".gitignore").write_text("data/\n")
        git(self.root, "add", ".")
        git(self.root, "commit", "-q", "-m", "first")

    def test_no_repository_and_no_commit(self):
        self.assertIsNone(cap.code_of(self.root))
        git(self.root, "init", "-q")
        self.assertIsNone(cap.code_of(self.root))

    def test_a_clean_tree_has_no_patch(self):
        self.repository()
        code = cap.code_of(self.root)
        self.assertEqual((code.commit, code.branch, code.dirty, code.patch),
                         (git(self.root, "rev-parse", "HEAD").strip(), "main", False, b""))

    def test_the_patch_makes_the_same_tree_again(self):
        self.repository()
        (self.root / "train.py").write_text("print(2)\n")
        (self.root / "old.bin").write_bytes(bytes(range(255, -1, -1)))
        (self.root / "sub").mkdir()
        (self.root / "sub" / "new file \u00fc.py").write_text("x = 1\n")
        (self.root / "model.bin").write_bytes(b"\0made\0")
        (self.root / "data").mkdir()
        (self.root / "data" / "rows.csv").write_text("a\n1\n")
        (self.root / "huge").write_bytes(b"\0" * (cap.UNTRACKED_BYTES_MAX + 1))
        (self.root / "added.py").write_text("y = 1\n")
        git(self.root, "add", "train.py", "added.py")
        before = git(self.root, "status", "--porcelain"), (self.root / ".git" / "index").read_bytes()
        objects = sorted(p.name for p in (self.root / ".git" / "objects").rglob("*"))
        code = cap.code_of(self.root, [str(self.root / "model.bin")])
        self.assertEqual((git(self.root, "status", "--porcelain"), (self.root / ".git" / "index").read_bytes()), before)
        self.assertEqual(sorted(p.name for p in (self.root / ".git" / "objects").rglob("*")), objects)
        self.assertEqual((code.dirty, code.left_out), (True, ["huge"]))
        with tempfile.TemporaryDirectory() as clean:
            git(self.root, "clone", "-q", ".", clean + "/c")
            subprocess.run(("git", "apply", "--binary", "-"), cwd=clean + "/c", input=code.patch, check=True)
            again = pathlib.Path(clean) / "c"
            self.assertEqual((again / "train.py").read_text(), "print(2)\n")
            self.assertEqual((again / "old.bin").read_bytes(), bytes(range(255, -1, -1)))
            self.assertEqual((again / "sub" / "new file \u00fc.py").read_text(), "x = 1\n")
            self.assertEqual((again / "added.py").read_text(), "y = 1\n")
            for absent in ("model.bin", "data", "huge"):
                self.assertFalse((again / absent).exists(), absent)

    def test_lock_files_of_the_nearest_directory(self):
        inner = self.root / "a" / "b"
        inner.mkdir(parents=True)
        (self.root / "uv.lock").write_text("v")
        (self.root / "requirements-dev.txt").write_text("r")
        self.assertEqual([p.name for p in cap.lock_files(inner, self.root)], ["uv.lock", "requirements-dev.txt"])
        (inner / "poetry.lock").write_text("p")
        self.assertEqual([p.name for p in cap.lock_files(inner, self.root)], ["poetry.lock"])
        self.assertEqual(cap.lock_files(self.root / "a", None), [])

    def test_variables_that_decide_about_bits_and_no_secrets(self):
        with mock.patch.dict(os.environ, {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "TF_API_KEY": "x", "HOME": "/h",
                                          "TORCH_AUTH_TOKEN": "y"}, clear=True):
            self.assertEqual(cap.determinism(), {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"})

    def test_passwords_of_addresses_stay_out(self):
        for url, want in (("https://u:p@h/x.git", "https://h/x.git"), ("https://h/x@1", "https://h/x@1"),
                          ("git@h:x.git", "git@h:x.git"), ("", "")):
            self.assertEqual(cap.without_password(url), want)

    def test_the_record(self):
        self.repository()
        (self.root / "sub").mkdir()
        (self.root / "sub" / "in.csv").write_text("a\n")
        taken = cap.take(self.root / "sub", data=["in.csv"])
        digest = hashlib.sha256(b"a\n").hexdigest()
        self.assertEqual(taken.record["directory"], "sub")
        self.assertEqual([(d["path"], d["sha256"], d["bytes"]) for d in taken.record["data"]], [("in.csv", digest, 2)])
        self.assertEqual(hashlib.sha256(taken.files["slipway/packages.txt"]).hexdigest(),
                         taken.record["environment"]["packages_sha256"])
        tags = taken.tags()
        self.assertEqual(tags["slipway.code.dirty"], "true")  # in.csv is new.
        self.assertEqual(tags["mlflow.source.git.commit"], taken.record["code"]["commit"])
        self.assertEqual(tags["slipway.environment.python"], ".".join(map(str, sys.version_info[:3])))
        with self.assertRaises(slipway.InvalidRequest):
            cap.take(self.root, out=["nothing.bin"])


if __name__ == "__main__":
    unittest.main()
