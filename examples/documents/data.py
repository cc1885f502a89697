#!/usr/bin/env python3
"""Builds the document-triage datasets from the long descriptions of Debian packages.

What:       texts in English, German and French, labelled with the archive section; written as JSONL by `build()`.
Source:     the machine's own apt, told to keep its lists in a private directory. The system's lists are only looked
            at by apt itself; nothing outside `work` is written.
Invariants: a source package lies wholly on one side of the split; the split is a hash, so every run agrees;
            no address of a person is written (the Maintainer field is never read, addresses in texts are masked).
Only the standard library and the apt tools are used.
"""
import argparse
import collections
import getpass
import hashlib
import json
import pathlib
import re
import subprocess
import sys
from dataclasses import dataclass, field

LANGUAGES = ("en", "de", "fr")
SECTIONS = 30  # how many sections the model tells apart: the largest ones that remain after EXCLUDED
# Shares of the source packages. `reference` is English text that the model never saw in training: what the monitor
# compares with has to be what the model will meet, and a model is surer of its own training texts.
SPLITS = (("holdout", 0.25), ("reference", 0.15), ("train", 0.60))
SPLIT_SALT = "slipway-documents-1"
# Sections that name a role of a package, not its subject: the text about a sound library's headers is the text about
# the sound library plus one sentence, and that sentence gives the answer away.
EXCLUDED = frozenset("libs libdevel doc debug oldlibs metapackages introspection localization tasks".split())
MIN_PAIRED_HOLDOUT = 1200  # held-out packages that exist in English and German (asked for by the demo's story)

# Local part and domain; texts also spell addresses as "name at domain dot org" or "<name@host>".
EMAIL = re.compile(r"[A-Za-z0-9._%+\-]+\s?(?:@|\(at\)|\[at\])\s?[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+")
EMAIL_SPELT = re.compile(r"\b[A-Za-z0-9._%+\-]+ at [A-Za-z0-9\-]+(?: dot [A-Za-z0-9\-]+)+\b", re.IGNORECASE)
MASK = "<address>"


@dataclass
class Corpus:
    """`rows[language][split]` is a list of {"package", "source", "section", "text"}, sorted by package."""
    rows: dict
    sections: list
    translated: bool  # False when only the synopses could be had
    notes: list = field(default_factory=list)


class DataError(RuntimeError):
    """The packages can't be read on this machine; the text says what to do."""


# ---------------------------------------------------------------- apt
def _apt_options(work: pathlib.Path) -> list:
    # A configuration file is needed: an image's `Acquire::Languages "none"` stands first in the list and ends it, so
    # languages that `-o` appends after it are never asked for.
    config = work / "apt.conf"
    wanted = " ".join(f'"{language}";' for language in LANGUAGES)
    config.write_text(
        f"#clear Acquire::Languages;\nAcquire::Languages {{ {wanted} }};\n"
        # Nothing of the system may run because of a private update.
        "#clear APT::Update::Pre-Invoke;\n#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n")
    for sub in ("lists/partial", "cache/archives/partial"):
        (work / sub).mkdir(parents=True, exist_ok=True)
    return ["-c", str(config), "-o", f"Dir::State::lists={work / 'lists'}", "-o", f"Dir::Cache={work / 'cache'}",
            "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o", "Debug::NoLocking=true",
            "-o", f"APT::Sandbox::User={getpass.getuser()}"]


def fetch(work: pathlib.Path) -> None:
    """Brings Packages and Translation-* of the machine's own sources into `work/lists`.

    Fails when no Packages file could be had; a source that can't be reached beside others that can is no failure.
    """
    command = ["apt-get", *_apt_options(work), "update", "-q"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    except FileNotFoundError as error:
        raise DataError("apt-get is not installed: this example reads the package lists of Debian or Ubuntu") from error
    except subprocess.TimeoutExpired as error:
        raise DataError("apt-get update took more than 240 s: is the package mirror reachable?") from error
    if not list((work / "lists").glob("*_Packages*")):
        tail = "\n  ".join((done.stdout + done.stderr).strip().splitlines()[-6:])
        raise DataError(f"apt-get update brought no package lists; its last words:\n  {tail}")


def _read(path: pathlib.Path) -> str:
    # apt keeps lists plain, .gz, .xz, .lz4 or .zst as the machine is set; its helper reads them all.
    done = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", str(path)], capture_output=True, check=False)
    if done.returncode != 0:
        raise DataError(f"{path.name} can't be read: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode("utf-8", "replace")


def _stanzas(text: str, wanted: frozenset):
    """Yields {field: value} of each paragraph of a control file, with the `wanted` fields only."""
    for paragraph in text.split("\n\n"):
        fields, name = {}, None
        for line in paragraph.split("\n"):
            if line[:1] in (" ", "\t"):
                if name:
                    fields[name] += "\n" + line[1:]
            else:
                key, _, value = line.partition(":")
                name = key if key in wanted else None
                if name:
                    fields[name] = value.strip()
        if fields:
            yield fields


# ---------------------------------------------------------------- texts
def mask(text: str) -> str:
    """The text with every e-mail address replaced by MASK."""
    return EMAIL_SPELT.sub(MASK, EMAIL.sub(MASK, text))


def _clean(description: str) -> str:
    # " ." stands for an empty line, a further space for "verbatim".
    lines = (line.strip() for line in description.split("\n"))
    return mask("\n".join("" if line == "." else line for line in lines)).strip()


def split_of(source: str) -> str:
    """The split that a source package belongs to: by a hash of its name, so that it never depends on other packages."""
    point = int.from_bytes(hashlib.sha256(f"{SPLIT_SALT}:{source}".encode()).digest()[:8], "big") / 2**64
    for name, share in SPLITS:
        if point < share:
            return name
        point -= share
    return SPLITS[-1][0]


def _order(row: dict) -> bytes:
    # Any prefix of a file is a random sample of it: the alphabet isn't, "golang-" and "python3-" stand together.
    return hashlib.sha256(f"{row['package']}:{row['language']}".encode()).digest()


def _packages(lists: pathlib.Path) -> dict:
    """{package: (source, section, md5 of the description, synopsis)}; the largest archive wins a name."""
    wanted = frozenset(("Package", "Source", "Section", "Description", "Description-md5"))
    found = {}
    files = sorted(lists.glob("*_Packages*"), key=lambda path: (-path.stat().st_size, path.name))
    for path in files:
        for item in _stanzas(_read(path), wanted):
            if "Package" not in item or "Section" not in item:
                continue
            name, synopsis = item["Package"], item.get("Description", "")
            source = item.get("Source", name).split(" ")[0]
            section = item["Section"].rpartition("/")[2]
            md5 = item.get("Description-md5") or hashlib.md5((synopsis + "\n").encode()).hexdigest()
            found.setdefault(name, (source, section, md5, synopsis))
    return found


def _translations(lists: pathlib.Path, language: str) -> dict:
    """{md5 of the English description: the whole description in `language`}."""
    key = f"Description-{language}"
    found = {}
    for path in sorted(lists.glob(f"*_i18n_Translation-{language}*")):
        for item in _stanzas(_read(path), frozenset(("Description-md5", key))):
            if "Description-md5" in item and item.get(key):
                found.setdefault(item["Description-md5"], item[key])
    return found


def collect(lists: pathlib.Path) -> Corpus:
    """Joins packages and texts and splits them; pure given the files in `lists`."""
    packages = _packages(lists)
    texts = {language: _translations(lists, language) for language in LANGUAGES}
    notes = []
    translated = bool(texts["en"]) and bool(texts["de"])
    if not texts["en"]:
        notes.append("no long descriptions could be had; the one-line synopses stand in for them")
        texts["en"] = {md5: synopsis for _, _, md5, synopsis in packages.values()}
    notes += [f"no {language} translations could be had" for language in ("de", "fr") if not texts[language]]
    counts = collections.Counter(section for _, section, md5, _ in packages.values() if section not in EXCLUDED)
    sections = sorted(sorted(counts, key=lambda name: (-counts[name], name))[:SECTIONS])
    known = frozenset(sections)
    rows = {language: {name: [] for name, _ in SPLITS} for language in LANGUAGES}
    for package, (source, section, md5, _) in packages.items():
        if section not in known:
            continue
        for language in LANGUAGES:
            text = _clean(texts[language].get(md5, ""))
            if text:
                rows[language][split_of(source)].append(
                    {"package": package, "source": source, "section": section, "language": language, "text": text})
    for language in LANGUAGES:
        for part in rows[language].values():
            part.sort(key=_order)
    return Corpus(rows, sections, translated, notes)


def _paired(corpus: Corpus, language: str, split: str) -> list:
    """[(English row, row in `language`)] of the packages of a split that have both texts."""
    other = {row["package"]: row for row in corpus.rows[language][split]}
    return [(row, other[row["package"]]) for row in corpus.rows["en"][split] if row["package"] in other]


# ---------------------------------------------------------------- files
def _write(path: pathlib.Path, rows: list) -> None:
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n")


def build(work: pathlib.Path, offline: bool = False) -> dict:
    """Fetches, splits and writes `work/*.jsonl`; returns what was written and the counts (also in `summary.json`).

    `offline` uses the lists that an earlier call brought.
    """
    work.mkdir(parents=True, exist_ok=True)
    if not offline:
        fetch(work)
    corpus = collect(work / "lists")
    paired = _paired(corpus, "de", "holdout")
    # The model is released for packages that translators chose (the traffic of the story): what the monitor compares
    # with is drawn from the same population, before any drift is there to be found.
    reference = _paired(corpus, "de", "reference")
    files = {
        "train-1": corpus.rows["en"]["train"],
        "train-2": sorted(sum((corpus.rows[language]["train"] for language in LANGUAGES), []), key=_order),
        "reference-1": [english for english, _ in reference],
        "reference-2": sorted(sum(map(list, reference), []), key=_order),
        "holdout-en": corpus.rows["en"]["holdout"],
        "holdout-de": corpus.rows["de"]["holdout"],
        "holdout-fr": corpus.rows["fr"]["holdout"],
        "paired-en": [english for english, _ in paired],
        "paired-de": [german for _, german in paired],
    }
    for name, rows in files.items():
        _write(work / f"{name}.jsonl", rows)
    summary = {"translated": corpus.translated, "notes": corpus.notes, "sections": corpus.sections,
               "rows": {name: len(rows) for name, rows in files.items()}, "paired": len(paired),
               "masked": sum(row["text"].count(MASK) for name in ("train-2", "holdout-en", "holdout-de", "holdout-fr")
                             for row in files[name])}
    (work / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    return summary


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/demo/data"))
    parser.add_argument("--offline", action="store_true", help="use the lists of an earlier run")
    args = parser.parse_args()
    try:
        summary = build(args.work, args.offline)
    except DataError as error:
        print(f"data: {error}", file=sys.stderr)
        return 1
    json.dump(summary, sys.stdout, indent=1)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
