#!/usr/bin/env python3
"""ui_pack.py DIST OUT [--node NODE]: one file that holds the console, for .incbin; src/ui/pack.cc reads it.

Little-endian. Header, 64 bytes: "SLIPUIPK", u32 version 1, u32 entries, u64 index bytes, u64 file bytes,
SHA-256 of the index. Index: entries in ascending order of path, each
  u16 path bytes, u16 mime bytes, u32 flags (1: the name holds a hash, so the content never changes),
  three variants (identity, gzip, br) of u64 offset, u64 bytes, SHA-256; an absent one is all zeros,
  then path and mime.
Then the blobs. Equal input gives equal bytes: no times, no names of machines, files in order of path.
"""
import argparse
import gzip
import hashlib
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

MAGIC = b"SLIPUIPK"
VERSION = 1
IMMUTABLE = 1
HEADER = struct.Struct("<8sIIQQ32s")
ENTRY = struct.Struct("<HHI")
VARIANT = struct.Struct("<QQ32s")
MIMES = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".json": "application/json",
    ".png": "image/png", ".txt": "text/plain; charset=utf-8", ".woff2": "font/woff2",
}
HASHED = re.compile(r"-[A-Za-z0-9_-]{8}\.[a-z0-9]+$")  # Vite's name-HASH.ext.
GAIN = 0.95  # A compressed form must be at most this share of the original to be kept.

BROTLI = """
const fs = require("node:fs"), zlib = require("node:zlib");
for (const [from, to] of JSON.parse(fs.readFileSync(0, "utf8"))) {
  const data = fs.readFileSync(from);
  fs.writeFileSync(to, zlib.brotliCompressSync(data, { params: {
    [zlib.constants.BROTLI_PARAM_QUALITY]: 11, [zlib.constants.BROTLI_PARAM_SIZE_HINT]: data.length } }));
}
"""


def brotli(files, node):
    """{path: brotli of its bytes}; Python's library has no brotli, node's has."""
    with tempfile.TemporaryDirectory() as work:
        jobs = [(str(f), f"{work}/{i}") for i, f in enumerate(files)]
        subprocess.run([node, "-e", BROTLI], input=json.dumps(jobs), text=True, check=True)
        return {f: pathlib.Path(to).read_bytes() for f, (_, to) in zip(files, jobs)}


def variants(data, br):
    """Identity, gzip, br; None where compressing doesn't pay."""
    gz = gzip.compress(data, 9, mtime=0)
    keep = lambda small: small if len(small) <= GAIN * len(data) else None
    return [data, keep(gz), keep(br)]


def pack(dist, node):
    """The bytes of the pack and {path: (identity, gzip, br bytes)} for the budgets."""
    files = sorted((p for p in dist.rglob("*") if p.is_file()), key=lambda p: p.relative_to(dist).as_posix().encode())
    small = brotli(files, node)
    rows = []
    for file in files:
        mime = MIMES.get(file.suffix)
        if mime is None:
            raise SystemExit(f"ui_pack: {file}: no media type for '{file.suffix}'")
        rows.append((file.relative_to(dist).as_posix(), mime, variants(file.read_bytes(), small[file])))
    index_bytes = sum(ENTRY.size + 3 * VARIANT.size + len(p.encode()) + len(m) for p, m, _ in rows)
    at = HEADER.size + index_bytes
    index, blobs = bytearray(), bytearray()
    for path, mime, forms in rows:
        name = path.encode()
        index += ENTRY.pack(len(name), len(mime), IMMUTABLE if HASHED.search(path) else 0)
        for form in forms:
            if form is None:
                index += bytes(VARIANT.size)
                continue
            index += VARIANT.pack(at + len(blobs), len(form), hashlib.sha256(form).digest())
            blobs += form
        index += name + mime.encode()
    head = HEADER.pack(MAGIC, VERSION, len(rows), len(index), at + len(blobs), hashlib.sha256(index).digest())
    sizes = {path: tuple(None if f is None else len(f) for f in forms) for path, _, forms in rows}
    return bytes(head + index + blobs), sizes


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("dist", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--node", default="node")
    args = parser.parse_args(argv)
    data, sizes = pack(args.dist, args.node)
    args.out.write_bytes(data)
    print(f"{args.out}: {len(sizes)} files, {len(data)} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
