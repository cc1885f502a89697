"""Python functions in their workers, with a real interpreter: what comes back, what goes wrong, and what can't be reached.

Run through `slipway function try`, which confines as the server does. Prints the latency of a call of one row.
"""
import ctypes
import inspect
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import tempfile
import textwrap
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
from harness import equal, true  # noqa: E402
from dev import common, setup  # noqa: E402

PACKAGES = str(setup.packages("pip_features"))  # pandas, pyarrow and dill, for PYTHONPATH.
sys.path.insert(0, PACKAGES)
import cloudpickle  # noqa: E402
import dill  # noqa: E402
import pandas as pd  # noqa: E402

ROWS = {"a": [1, 2, 3], "b": [2.0, 0.5, None], "t": ["x", "ü", None]}
MANY = 1000


def command(folder, source, returns, *args):
    """`source`: text, a pickle, or both as a pair."""
    files = []
    for part in source if isinstance(source, tuple) else (source,):
        if isinstance(part, bytes):
            (folder / "function.pkl").write_bytes(part)
            files += ["--pickle", str(folder / "function.pkl")]
        else:
            (folder / "function.py").write_text(textwrap.dedent(part))
            files.append(str(folder / "function.py"))
    rows = folder / "rows.parquet"
    if not rows.exists():
        pd.DataFrame(ROWS).to_parquet(rows)
    return [str(harness.BINARY), "function", "try", *files, "--rows", str(rows), "--returns", returns,
            "--python", common.venv_python(), *args]


def attempt(source, returns, *args, rows=None, env=None, before=None):
    """(exit code, rows that came back, what was said)"""
    with tempfile.TemporaryDirectory(prefix="slipway-worker-") as name:
        folder = pathlib.Path(name)
        if rows is not None:
            pd.DataFrame(rows).to_parquet(folder / "rows.parquet")
        done = subprocess.run(command(folder, source, returns, *args), capture_output=True, text=True, timeout=120,
                              env={**os.environ, "PYTHONPATH": PACKAGES, **(env or {})}, preexec_fn=before)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def good(source, returns, *args, **kw):
    code, rows, said = attempt(source, returns, *args, **kw)
    equal(code, 0, said)
    return rows


def bad(reason, pattern, source, returns, *args, **kw):
    code, rows, said = attempt(source, returns, *args, **kw)
    true(code != 0 and not rows, f"{reason} was expected, {rows} came back")
    true(f"[{reason}]" in said, f"{reason} was expected: {said}")
    true(re.search(pattern, said), f"/{pattern}/ was expected: {said}")
    true("/work" not in said and "site-packages" not in said and "Traceback" not in said, f"paths of the host: {said}")
    return said


# ---------------------------------------------------------------- what comes back
def test_modes(_):
    pandas_ = """
        import pandas as pd
        def f(df: pd.DataFrame) -> pd.DataFrame:
            out = pd.DataFrame()
            out["twice"] = df.a * 2
            out["ratio"] = df.a / df.b
            out["word"] = df.t
            out["extra"] = 1
            return out
    """
    equal(good(pandas_, "ratio:double,twice:int64,word:string"),
          [{"ratio": 0.5, "twice": 2, "word": "x"}, {"ratio": 4.0, "twice": 4, "word": "ü"},
           {"ratio": None, "twice": 6, "word": None}], "pandas")
    lists = "def f(rows): return {'sum': [a + (b or 0) for a, b in zip(rows['a'], rows['b'])], 'n': rows['a']}"
    equal(good(lists, "sum:float,n:int32", "--mode", "python"),
          [{"sum": 3.0, "n": 1}, {"sum": 2.5, "n": 2}, {"sum": 3.0, "n": 3}], "dict of lists")
    values = """
        def f(row):
            return {"label": f"{row['a']}/{row['t']}", "list": [row["a"], None], "big": row["a"] > 2}
    """
    equal(good(values, "big:bool,label:string,list:list<item: int64>", "--mode", "singleton")[2],
          {"big": True, "label": "3/None", "list": "[3,null]"}, "a row at a time")


def test_types_and_texts(_):
    """Numbers become other numbers without loss, times keep their zone, what nothing defines is left out or there."""
    source = """
        from datetime import datetime, timezone

        @on_demand_feature_view(sources=[driver], schema=[Field(name="x", dtype=Float64)])
        def first(rows):
            return {"whole": [1.0, float("nan"), 3.0], "at": [datetime(2026, 1, 2, tzinfo=timezone.utc), None, None],
                    "root": [math.sqrt(4), np.float32(0.5), 1], "bytes": [b"a", "b", None], "on": [True, False, None]}
    """
    rows = good(source, "whole:int64,at:timestamp[us, tz=UTC],root:double,bytes:binary,on:bool", "--mode", "python")
    equal([r["whole"] for r in rows], [1, None, 3], "whole numbers")
    equal([r["root"] for r in rows], [2.0, 0.5, 1.0], "math and np are there")
    equal([r["on"] for r in rows], [True, False, None], "bools")
    equal([r["at"] for r in rows], [1767312000000000, None, None], "times")
    two = "def helper(x):\n    return x + 1\n\ndef f(rows):\n    return {'x': [helper(a) for a in rows['a']]}\n"
    equal(good(two, "x:int64", "--mode", "python")[0], {"x": 2}, "the last function")
    equal(good(two + "\ndef g(rows): return {}\n", "x:int64", "--mode", "python", "--entry", "f")[0], {"x": 2}, "the named one")
    equal(good("f = lambda df: df[['a']].rename(columns={'a': 'x'})", "x:int64")[0], {"x": 1}, "a lambda")


def make_pickle(offset=10):
    def shifted(df):
        out = df[["a"]].copy()
        out["x"] = df["a"] + offset
        return out

    return dill.dumps(shifted, recurse=True), inspect.getsource(shifted)


def test_pickles(_):
    """They are preferred to the text, which then says where something happened, and is what is left without them."""
    pickle, text = make_pickle()
    equal([r["x"] for r in good(pickle, "x:int64")], [11, 12, 13], "dill")
    equal([r["x"] for r in good(("def f(df): return 3", pickle), "x:int64")], [11, 12, 13], "dill, not the text")
    broken = b"\x80\x04garbage"
    equal([r["x"] for r in good(("def f(df): return df.assign(x=df.a)", broken), "x:int64")], [1, 2, 3], "the text")
    bad("worker.function", "pickle can't be opened", broken, "x:int64")
    bad("worker.failed", r"NameError: .*offset.*line 3: out\[.*; its pickle can't be opened", (text, broken), "x:int64")
    pickle, text = make_pickle("word")
    bad("worker.failed", r'Error: .*\(line 3: out\["x"\] = df\["a"\] \+ offset\)', (text, pickle), "x:int64")
    bad("worker.failed", r"Error: .*\(line 3 of shifted\)", pickle, "x:int64")
    cloud = cloudpickle.dumps(lambda rows: {"x": [a * 3 for a in rows["a"]]})
    equal(good(cloud, "x:int64", "--mode", "python")[2], {"x": 9}, "cloudpickle")


def test_no_rows(_):
    equal(good("def f(df): return df.assign(x=df.a)", "x:int64", rows={"a": pd.Series([], dtype="int64")}), [], "none")


# ---------------------------------------------------------------- what goes wrong
def test_exceptions(_):
    bad("worker.failed", r"ZeroDivisionError: .*zero \(line 3: return \{'x': \[a / 0",
        "import math\ndef f(rows):\n    return {'x': [a / 0 for a in rows['a']]}\n", "x:double", "--mode", "python")
    bad("worker.failed", "SystemExit: 3", "import sys\ndef f(df): sys.exit(3)", "x:double")
    bad("worker.failed", "RecursionError", "def f(df): return f(df)", "x:double")
    bad("worker.failed", "KeyError: 'nope'", "def f(df): return df['nope']", "x:double")
    bad("worker.function", "SyntaxError.*line 2", "def f(df):\n  return (", "x:double")
    bad("worker.function", "`g` is not defined", "def f(df): return df", "x:double", "--entry", "g")
    bad("worker.function", "NameError", "raise NameError('early')\ndef f(df): return df", "x:double")
    bad("worker.function", "no columns of type what", "def f(df): return df", "x:what")


def test_columns(_):
    bad("worker.output", "column `x` is missing", "def f(df): return df", "x:double")
    bad("worker.output", "column `t` is .*string, not double", "def f(df): return df", "t:double")
    bad("worker.output", "column `b`.*truncated", "def f(df): return df", "b:int64")
    bad("worker.output", "came back, not a DataFrame", "def f(df): return 3", "x:double")
    bad("worker.output", "came back, not a dict", "def f(rows): return []", "x:double", "--mode", "python")
    bad("worker.output", "is a str, not a list", "def f(rows): return {'x': 'abc'}", "x:string", "--mode", "python")
    bad("worker.output", "holds numbers", "def f(rows): return {'x': [1, 2, 3]}", "x:timestamp[us, tz=UTC]", "--mode", "python")
    bad("worker.output", "missing of row 1", "def f(row): return {}", "x:int64", "--mode", "singleton")
    bad("worker.rows", "2 rows came back for 3", "def f(df): return df[df.a > 1]", "a:int64")
    bad("worker.rows", "1 rows for 3", "def f(rows): return {'x': [1]}", "x:int64", "--mode", "python")


def test_ends_of_workers(_):
    bad("worker.deadline", "no answer within 2 s", "def f(df):\n    while True: pass", "x:double", "--seconds", "2")
    bad("worker.died", "status 3", "import os\ndef f(df): os._exit(3)", "x:double")
    bad("worker.died", "signal 11", "import ctypes\ndef f(df): ctypes.string_at(0)", "x:double")
    bad("worker.memory", "more memory", "def f(df): return bytearray(10 << 30)", "x:double")
    bad("worker.memory", "more memory", "def f(df): return np.ones(10 << 27) + 1", "x:double")
    bad("worker.too_large", "at most", "def f(rows): return {'x': ['x' * (30 << 20)] * 3}", "x:string", "--mode", "python")
    bad("worker.died", "out of turn", "import os\ndef f(df): os.write(3, b'garbage, and more')", "x:double")


def test_what_a_worker_forges_is_not_believed(_):
    """Code that runs in a worker can say anything on its stream; the server looks at the rows itself."""
    source = """
        import json, os, struct
        import pyarrow as pa
        def f(rows):
            sink = pa.BufferOutputStream()
            table = pa.table({%r: pa.array(%s)})
            with pa.ipc.new_stream(sink, table.schema) as w: w.write_table(table)
            body = sink.getvalue().to_pybytes()
            head = json.dumps({"id": 1, "defined": True}).encode()
            os.write(3, struct.pack("<4sII", b"SLWK", len(head), len(body)) + head + body)
            os._exit(0)
    """
    bad("worker.rows", "2 rows for 3", source % ("x", "[1, 2]"), "x:int64", "--mode", "python")
    bad("worker.output", "`x` is double, not int64", source % ("x", "[1.5, 2, 3]"), "x:int64", "--mode", "python")
    bad("worker.output", "`x` is missing", source % ("y", "[1, 2, 3]"), "x:int64", "--mode", "python")


# ---------------------------------------------------------------- what can't be reached
REACHES = {
    "inet": "socket.socket(socket.AF_INET)",
    "inet6": "socket.socket(socket.AF_INET6)",
    "local socket": "socket.socket(socket.AF_UNIX)",
    "loopback": "socket.create_connection(('127.0.0.1', PORT), 2)",
    "outside": "open('/etc/hostname').read()",
    "rows of the caller": "open(ROWS).read()",
    "folders": "os.listdir('/')",
    "its parent": "open(f'/proc/{os.getppid()}/environ').read()",
    "write": "open('/tmp/slipway-reach', 'w')",
    "overwrite": "open(ROWS, 'w')",
    "delete": "os.unlink(ROWS)",
    "chmod": "os.chmod(ROWS, 0)",
    "truncate": "os.truncate(ROWS, 0)",
    "fork": "os.fork()",
    "program": "subprocess.run(['true'])",
    "exec": "os.execv('/bin/true', ['true'])",
    "signal": "os.kill(os.getppid(), 0)",
    "user": "os.setuid(0) or os.chroot('/')",
    "shared memory": "os.memfd_create('x')",
    "namespace": "libc(272, 0x10000000)",
    "ptrace": "libc(101, 16, 1, 0, 0)",
    "io_uring": "libc(425, 1, 0)",
    "bpf": "libc(321, 0, 0, 0)",
    "mount": "libc(165, b'none', b'/tmp', b'tmpfs', 0, 0)",
    "more memory": "resource.setrlimit(resource.RLIMIT_DATA, (-1, -1))",
}


def reach(server, before=None):
    body = "\n".join(f"    attempt({name!r}, lambda: {code})" for name, code in REACHES.items())
    source = f"""import ctypes, os, resource, socket, subprocess
PORT, ROWS = {int(server.ready["http"].rpartition(":")[2])}, {str(pathlib.Path(__file__).resolve())!r}
def libc(*args):
    call = ctypes.CDLL(None, use_errno=True).syscall
    if call(*args) < 0:
        raise OSError(ctypes.get_errno(), "refused")
def f(rows):
    out = {{}}
    def attempt(name, what):
        try:
            what()
            out[name] = "reached"
        except (OSError, ValueError) as error:
            out[name] = type(error).__name__
{body}
    keys = sorted(os.environ)
    return {{"result": [repr(out)], "environment": [" ".join(keys)], "descriptors": [" ".join(map(str, opened()))]}}
def opened():
    out = []
    for fd in range(256):
        try:
            os.fstat(fd)
            out.append(fd)
        except OSError:
            pass
    return out
"""
    row, = good(source, "result:string,environment:string,descriptors:string", "--mode", "python", "--entry", "f",
                rows={"a": [1]}, env={"SLIPWAY_TOKEN": "secret", "HOME": "/somewhere"}, before=before)
    results = eval(row["result"])  # pylint: disable=eval-used — its own repr
    equal(sorted(results), sorted(REACHES), "all were tried")
    true("SLIPWAY_TOKEN" not in row["environment"] and "HOME" not in row["environment"], row["environment"])
    equal(row["descriptors"], "0 1 2 3", "descriptors")
    return {name for name, result in results.items() if result == "reached"}


def landlock():
    return ctypes.CDLL(None).syscall(444, None, 0, 1) > 0


def without_landlock():
    """In the child before it starts: the call that asks for Landlock isn't there."""
    libc = ctypes.CDLL(None)
    code = b"".join(struct.pack("<HBBI", *i) for i in [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (6, 0, 0, 0x50026), (6, 0, 0, 0x7FFF0000)])
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", 4, ctypes.addressof(buffer))
    libc.prctl(38, 1, 0, 0, 0)
    if libc.prctl(22, 2, program) != 0:
        os._exit(99)


READING = {"outside", "rows of the caller", "folders", "its parent"}


def test_what_is_out_of_reach(server):
    equal(reach(server), set() if landlock() else reach(server) & READING, "reached")


def test_a_kernel_without_landlock(server):
    """Places can't be told apart, so nothing is written anywhere; the rest holds, and strict refuses."""
    equal(reach(server, before=without_landlock) - READING, set(), "reached")
    _, _, said = attempt("def f(df): return df", "a:int64", "--strict", before=without_landlock)
    true("[worker.unavailable]" in said and "no Landlock" in said, said)
    done = subprocess.run([str(harness.BINARY), "doctor", "--python", common.venv_python(), "--json", "--server", server.url],
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": PACKAGES}, preexec_fn=without_landlock)
    found = {i["what"]: i["ok"] for i in json.loads(done.stdout)["items"]}
    equal([ok for what, ok in found.items() if "no Landlock" in what], [False], str(found))
    equal(found.get("a worker can read a file outside of Python"), False, str(found))


def test_doctor(server):
    done = subprocess.run([str(harness.BINARY), "doctor", "--python", common.venv_python(), "--server", server.url],
                          capture_output=True, text=True, env={**os.environ, "PYTHONPATH": PACKAGES})
    print("    ", "\n     ".join(line for line in done.stdout.splitlines() if "confined" in line or "Python" in line))
    true("functions in Python: " in done.stdout and "seccomp" in done.stdout, done.stdout)
    if landlock():
        equal(done.returncode, 0, done.stdout + done.stderr)
        true("a worker can " not in done.stdout, done.stdout)


def test_metrics(server):
    text = server.api().send("GET", "/metrics").body.decode()
    true("slipway_workers 0" in text and "slipway_worker_starts_total 0" in text, "workers start when they are needed")


def test_bombs_are_bounded(_):
    source = """
        import threading
        def f(rows):
            n, done = 0, threading.Event()
            try:
                while n < 5000:
                    threading.Thread(target=done.wait).start()
                    n += 1
            except (RuntimeError, MemoryError):  # "can't start new thread"
                pass
            done.set()
            return {"n": [n] * len(rows["a"])}
    """
    threads = good(source, "n:int64", "--mode", "python")[0]["n"]
    true(threads < 1000, f"{threads} threads in one worker")
    bad("worker.failed", "OSError|BlockingIOError|PermissionError", "import os\ndef f(df):\n    while True: os.fork()", "x:int64")


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()] + [
        int(p) for task in pathlib.Path(f"/proc/{pid}/task").iterdir() for p in (task / "children").read_text().split()]


def test_a_worker_ends_with_its_server(_):
    with tempfile.TemporaryDirectory(prefix="slipway-worker-") as name:
        process = subprocess.Popen(command(pathlib.Path(name), "def f(df):\n    while True: pass", "x:int64"),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env={**os.environ, "PYTHONPATH": PACKAGES})
        worker, = harness.until("a worker", lambda: children(process.pid)[:1], 20)

        def busy():  # utime beyond what starting takes: it is in its loop.
            return int(pathlib.Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[11]) > 200
        harness.until("the worker to be busy", busy, 30)
        process.send_signal(signal.SIGKILL)
        process.wait()
        harness.until("the worker to be gone", lambda: not alive(worker), 5)


# ---------------------------------------------------------------- again and again
def test_many_calls(_):
    source = """
        import os, resource
        seen = []
        def f(rows):
            seen.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
            grown = seen[-1] - seen[min(100, len(seen) - 1)]
            count = sum(1 for fd in range(256) if is_open(fd))
            return {"calls": [len(seen)], "grown_kb": [grown], "descriptors": [count]}
        def is_open(fd):
            try:
                os.fstat(fd)
                return True
            except OSError:
                return False
    """
    row, = good(source, "calls:int64,grown_kb:int64,descriptors:int64", "--mode", "python", "--entry", "f",
                "--times", str(MANY), rows={"a": [1]})
    equal(row["calls"], MANY, "one worker for all calls")
    equal(row["descriptors"], 4, "descriptors")
    true(row["grown_kb"] < 4096, f"{row['grown_kb']} kB grown")


def test_latency(_):
    sources = {"python": "def f(rows): return {'x': [a + 1 for a in rows['a']]}",
               "singleton": "def f(row): return {'x': row['a'] + 1}",
               "pandas": "def f(df): return pd.DataFrame({'x': df.a + 1})"}
    medians = {}
    for mode, source in sources.items():
        _, _, said = attempt(source, "x:int64", "--mode", mode, "--times", "500", rows={"a": [1]})
        print(f"     {mode}: {said.strip()}")
        medians[mode] = float(re.search(r"median ([\d.]+) ms", said)[1])
    true(medians["python"] < 3, f"a call of one row took {medians['python']} ms")  # 0.3 ms on a quiet machine.


def test_interpreters(_):
    code, _, said = attempt("def f(df): return df", "a:int64", env={"PYTHONPATH": ""})
    true(code == 7 and "has no module pyarrow" in said and "--python" in said, said)
    _, _, said = attempt("def f(df): return df", "a:int64", "--python", "/nowhere/python3")
    true("/nowhere/python3 isn't there: set --python" in said, said)
    begun = time.monotonic()
    _, _, said = attempt("def f(df): return df", "a:int64", "--python", "/bin/false")
    true("can't be run" in said and time.monotonic() - begun < 10, said)


if __name__ == "__main__":
    harness.run(globals())
