"""Tests of data.py: no network, lists written by the test."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import data  # noqa: E402

PACKAGES = """Package: {name}
Source: {source} (1.0)
Section: {section}
Maintainer: Somebody <somebody@example.org>
Description: synopsis of {name}
Description-md5: {md5}
"""


def write_lists(root: pathlib.Path, packages: list, languages: dict) -> pathlib.Path:
    lists = root / "lists"
    lists.mkdir(parents=True)
    stanzas = [PACKAGES.format(name=name, source=source, section=section, md5=f"{index:032x}")
               for index, (name, source, section) in enumerate(packages)]
    (lists / "host_dists_one_main_binary-amd64_Packages").write_text("\n".join(stanzas))
    for language, texts in languages.items():
        lines = [f"Package: {packages[index][0]}\nDescription-md5: {index:032x}\nDescription-{language}: {text}\n"
                 for index, text in texts.items()]
        (lists / f"host_dists_one_main_i18n_Translation-{language}").write_text("\n".join(lines))
    return lists


class Mask(unittest.TestCase):
    def test_addresses_go_and_the_rest_stays(self):
        rows = [
            ("write to a.b+c@mail.example.org now", f"write to {data.MASK} now"),
            ("<root@host.example>", f"<{data.MASK}>"),
            ("name (at) example.org", data.MASK),
            ("name at example dot org", data.MASK),
            ("look at example files", "look at example files"),
            ("@decorator and user@localhost", "@decorator and user@localhost"),
            ("https://example.org/path", "https://example.org/path"),
        ]
        for text, want in rows:
            with self.subTest(text):
                self.assertEqual(data.mask(text), want)


class Split(unittest.TestCase):
    def test_shares_hold_and_names_decide(self):
        counts = {name: 0 for name, _ in data.SPLITS}
        for index in range(4000):
            counts[data.split_of(f"source-{index}")] += 1
        for name, share in data.SPLITS:
            self.assertAlmostEqual(counts[name] / 4000, share, delta=0.03)
        self.assertEqual(data.split_of("bash"), data.split_of("bash"))


class Collect(unittest.TestCase):
    PACKAGES = [(f"tool-{index}", f"source-{index // 2}", "net" if index % 3 else "sound") for index in range(60)]
    PACKAGES += [("libtool", "source-0", "libs")]

    def test_siblings_share_a_split_and_roles_are_left_out(self):
        english = {index: f"tool {index}\n long text\n .\n mail me@example.org" for index in range(61)}
        german = {index: f"Werkzeug {index}\n langer Text" for index in range(0, 60, 2)}
        with tempfile.TemporaryDirectory() as root:
            corpus = data.collect(write_lists(pathlib.Path(root), self.PACKAGES, {"en": english, "de": german}))
        self.assertTrue(corpus.translated)
        self.assertEqual(corpus.sections, ["net", "sound"])
        seen = {}
        for language, parts in corpus.rows.items():
            for split, rows in parts.items():
                for row in rows:
                    self.assertEqual(seen.setdefault(row["source"], split), split)
                    self.assertNotIn("example.org", row["text"], language)
        self.assertEqual(sum(map(len, corpus.rows["en"].values())), 60)
        self.assertEqual(sum(map(len, corpus.rows["de"].values())), 30)
        text = next(row["text"] for row in corpus.rows["en"][data.split_of("source-0")] if row["package"] == "tool-0")
        self.assertEqual(text, f"tool 0\nlong text\n\nmail {data.MASK}")

    def test_without_translations_the_synopses_stand_in(self):
        with tempfile.TemporaryDirectory() as root:
            corpus = data.collect(write_lists(pathlib.Path(root), self.PACKAGES, {}))
        self.assertFalse(corpus.translated)
        self.assertTrue(any("synopses" in note for note in corpus.notes))
        self.assertIn("synopsis of tool-0", [row["text"] for part in corpus.rows["en"].values() for row in part])


if __name__ == "__main__":
    unittest.main()
