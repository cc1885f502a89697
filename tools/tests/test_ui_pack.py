"""The pack is deterministic, sorted, and every digest in it is right."""
import hashlib
import pathlib
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import ui_pack  # noqa: E402

FILES = {"index.html": b"<!doctype html>" + b"x" * 400, "assets/app-AbCd1234.js": b"let a = 1;" * 90,
         "assets/theme.js": b"1", "b.svg": b"<svg/>"}


def read(data):
    """{path: (flags, mime, [bytes or None] * 3)} by the format's description."""
    magic, version, count, index_bytes, total, digest = ui_pack.HEADER.unpack_from(data)
    assert (magic, version, total) == (b"SLIPUIPK", 1, len(data))
    index = data[ui_pack.HEADER.size:ui_pack.HEADER.size + index_bytes]
    assert hashlib.sha256(index).digest() == digest
    at, entries = 0, {}
    for _ in range(count):
        path_bytes, mime_bytes, flags = ui_pack.ENTRY.unpack_from(index, at)
        at += ui_pack.ENTRY.size
        forms = []
        for _ in range(3):
            offset, size, sha = ui_pack.VARIANT.unpack_from(index, at)
            at += ui_pack.VARIANT.size
            blob = data[offset:offset + size] if offset else None
            assert blob is None or hashlib.sha256(blob).digest() == sha
            forms.append(blob)
        path, at = index[at:at + path_bytes].decode(), at + path_bytes
        mime, at = index[at:at + mime_bytes].decode(), at + mime_bytes
        entries[path] = (flags, mime, forms)
    assert at == len(index)
    return entries


@unittest.skipUnless(shutil.which("node"), "needs node")
class Pack(unittest.TestCase):
    def pack(self, files):
        with tempfile.TemporaryDirectory() as work:
            for name, data in files.items():
                file = pathlib.Path(work, name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
            return ui_pack.pack(pathlib.Path(work), "node")[0]

    def test_round_trip(self):
        data = self.pack(FILES)
        entries = read(data)
        self.assertEqual(list(entries), sorted(FILES))
        for path, (_, _, forms) in entries.items():
            self.assertEqual(forms[0], FILES[path])
        self.assertIsNotNone(entries["index.html"][2][2])
        self.assertIsNone(entries["assets/theme.js"][2][1], "one byte doesn't shrink")
        self.assertEqual([p for p, e in entries.items() if e[0]], ["assets/app-AbCd1234.js"])

    def test_deterministic(self):
        self.assertEqual(self.pack(FILES), self.pack(dict(reversed(FILES.items()))))

    def test_unknown_type(self):
        with self.assertRaises(SystemExit):
            self.pack({"a.exe": b"1"})


if __name__ == "__main__":
    unittest.main()
