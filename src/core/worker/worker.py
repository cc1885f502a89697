"""slipway worker: runs the functions that the server sends, on rows that it sends; descriptor 3 is the server.

The process is confined before this starts. Nothing here is trusted by the server: it checks the answers itself.
A frame is "SLWK", two lengths (uint32, little-endian), a JSON object, bytes. A request is answered twice: when it was read,
and when it is done.
"""

import ast
import importlib
import importlib.util
import io
import json
import os
import re
import struct
import sys
import textwrap
import traceback
import types

SERVER = 3
PREFIX = struct.Struct("<4sII")
TEXT_MAX = 2000
WANTED = ("pyarrow", "pandas", "numpy", "dill", "cloudpickle")
# What the text of a function may use without importing it: its imports often stand elsewhere in the file it came from.
COMMON = {"np": "numpy", "pd": "pandas", "pa": "pyarrow", "dt": "datetime"}
COMMON.update({name: name for name in ("numpy", "pandas", "pyarrow", "datetime", "math", "json", "re", "typing")})


class Trouble(Exception):
    """What is told to the caller: `word` is one of the server's."""

    def __init__(self, word, text):
        super().__init__(text)
        self.word = word


# ---------------------------------------------------------------- talking
class Server:
    def __init__(self):
        self.stream = open(SERVER, "rb", buffering=1 << 16, closefd=False)

    def receive(self):
        prefix = self.stream.read(PREFIX.size)
        if len(prefix) < PREFIX.size:
            sys.exit(0)
        _, head, body = PREFIX.unpack(prefix)
        return json.loads(self.stream.read(head)), self.stream.read(body)

    @staticmethod
    def send(head, body=b""):
        text = json.dumps(head).encode()
        left = memoryview(PREFIX.pack(b"SLWK", len(text), len(body)) + text)
        for piece in (left, memoryview(body)):
            while piece:
                piece = piece[os.write(SERVER, piece) :]


class Nowhere(io.TextIOBase):
    """What functions print."""

    def writable(self):
        return True

    def write(self, text):
        return len(text)


# ---------------------------------------------------------------- types
SIMPLE = {
    "bool": "bool_",
    "halffloat": "float16",
    "float": "float32",
    "double": "float64",
    "string": "string",
    "large_string": "large_string",
    "binary": "binary",
    "large_binary": "large_binary",
    "date32[day]": "date32",
    "date64[ms]": "date64",
    "null": "null",
}
SIMPLE.update({name: name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")})


def parse_type(text):
    if text in SIMPLE:
        return getattr(pa, SIMPLE[text])()
    if found := re.fullmatch(r"timestamp\[(s|ms|us|ns)(?:, tz=([\w/+:-]+))?\]", text):
        return pa.timestamp(found[1], found[2])
    if found := re.fullmatch(r"duration\[(s|ms|us|ns)\]", text):
        return pa.duration(found[1])
    if found := re.fullmatch(r"list<(\w+): (.+)>", text):
        return pa.list_(pa.field(found[1], parse_type(found[2])))
    raise Trouble("function", f"there are no columns of type {text}")


def family(kind):
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return "list of " + family(kind.value_type)
    if pa.types.is_dictionary(kind):
        return family(kind.value_type)
    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "text"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return "bytes"
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return "time"
    return str(kind)


def may_become(have, want):
    """Whether one family's values are another's, so that nothing is guessed."""
    if "null" in have or have == want:
        return True
    if have.startswith("list of ") and want.startswith("list of "):
        return may_become(have[8:], want[8:])
    return (have, want) in {("bool", "number"), ("text", "bytes")}


# ---------------------------------------------------------------- columns
def cast(name, array, want):
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if array.type == want:
        return array
    if not may_become(family(array.type), family(want)):
        raise Trouble("output", f"column `{name}` is {array.type}, not {want}")
    try:
        # To floats everything fits, if less exactly; to anything else nothing may be lost.
        return array.cast(want, safe=not pa.types.is_floating(want))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise Trouble("output", f"column `{name}`: {short(error)}") from None


def guess(name, values, nan_is_null):
    try:
        return pa.array(values, from_pandas=nan_is_null)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError, OverflowError) as error:
        raise Trouble("output", f"column `{name}`: {short(error)}") from None


def times_are_numbers(values, want):
    """A bare number could be seconds as well as microseconds."""
    while pa.types.is_list(want):
        values, want = [v for row in values if row is not None for v in row], want.value_type
    if not (pa.types.is_timestamp(want) or pa.types.is_date(want)):
        return False
    return any(isinstance(v, (int, float)) and v == v for v in values)


def listed(name, values, want):
    """A column from a list; NaN stays what it is in floats and is nothing elsewhere."""
    if times_are_numbers(values, want):
        raise Trouble("output", f"column `{name}` holds numbers, not {want}")
    floats = pa.types.is_floating(want)
    try:
        return pa.array(values, type=want, from_pandas=not floats)
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError, OverflowError):
        return cast(name, guess(name, values, not floats), want)


def check_rows(name, values, rows):
    if isinstance(values, (str, bytes, dict)) or not hasattr(values, "__len__"):
        raise Trouble("output", f"column `{name}` is a {type(values).__name__}, not a list of {rows} values")
    if len(values) != rows:
        raise Trouble("rows", f"{len(values)} rows for {rows} in column `{name}`")


# ---------------------------------------------------------------- functions
class Function:
    def __init__(self, facts, source, pickled):
        self.name, self.mode = facts["name"], facts["mode"]
        self.fields = [pa.field(name, parse_type(text)) for name, text in facts["outputs"]]
        self.schema = pa.schema(self.fields)
        self.lists = {name: parse_type(text) for name, text in facts["lists"]}
        self.source, self.refused = source, ""
        if self.mode == "pandas":
            need("pandas")
        self.call = self.load(facts["entry"], pickled)
        code = getattr(self.call, "__code__", None)
        self.file = code.co_filename if code else None
        self.first_line = code.co_firstlineno if code else 1
        self.run = {"pandas": self.on_frame, "python": self.on_lists, "singleton": self.on_values}[self.mode]

    def load(self, entry, pickled):
        if pickled:
            try:
                return unpickle(pickled)
            except Exception as error:  # pylint: disable=broad-except — the text may still do
                self.refused = f"its pickle can't be opened ({kind_of(error)}: {short(error)})"
        if self.source.strip():
            try:
                self.from_text = True
                return compile_function(self.source, entry)
            except Trouble as error:
                raise Trouble("function", "; ".join(filter(None, (self.refused, str(error))))) from None
        raise Trouble("function", self.refused or "there is no function")

    from_text = False

    def unfolded(self, table):
        """Lists come as JSON."""
        for name, kind in self.lists.items():
            values = [None if text is None else json.loads(text) for text in table.column(name).to_pylist()]
            table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, kind))
        return table

    # ---- the three ways to call one
    def on_frame(self, table):
        frame = self.call(table.to_pandas(use_threads=False))
        if not hasattr(frame, "columns"):
            raise Trouble("output", f"a {kind_of(frame)} came back, not a DataFrame")
        if len(frame) != table.num_rows:
            raise Trouble("rows", f"{len(frame)} rows came back for {table.num_rows}")
        columns = []
        for field in self.fields:
            self.check_present(field, frame.columns)
            series = frame[field.name]
            if series.ndim != 1:
                raise Trouble("output", f"column `{field.name}` is there twice")
            columns.append(self.from_series(field, series))
        return columns

    @staticmethod
    def from_series(field, series):
        if series.dtype == object:
            return listed(field.name, series.where(series.notna(), None).tolist(), field.type)
        return cast(field.name, guess(field.name, series, True), field.type)

    def on_lists(self, table):
        out = self.as_dict(self.call(table.to_pydict()))
        columns = []
        for field in self.fields:
            self.check_present(field, out)
            values = out[field.name]
            check_rows(field.name, values, table.num_rows)
            if hasattr(values, "tolist"):
                values = values.tolist()
            columns.append(listed(field.name, values, field.type))
        return columns

    def on_values(self, table):
        rows = [self.as_dict(self.call(row)) for row in table.to_pylist()]
        columns = []
        for field in self.fields:
            for number, row in enumerate(rows, 1):
                self.check_present(field, row, f" of row {number}")
            columns.append(listed(field.name, [row[field.name] for row in rows], field.type))
        return columns

    @staticmethod
    def as_dict(value):
        if not isinstance(value, dict):
            raise Trouble("output", f"a {kind_of(value)} came back, not a dict")
        return value

    @staticmethod
    def check_present(field, names, where=""):
        if field.name not in names:
            raise Trouble("output", f"column `{field.name}` is missing{where}")

    # ---- what went wrong in it
    def where(self, error):
        """The last line of the user's own, if the text is there; never a path. And why it was the text, if there was more."""
        return self.line(error) + (f"; {self.refused}" if self.refused else "")

    def line(self, error):
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == self.file]
        if not frames:
            return ""
        number = frames[-1].lineno - (0 if self.from_text else self.first_line - 1)
        lines = self.source.splitlines()
        text = lines[number - 1].strip() if 0 < number <= len(lines) else ""
        return f" (line {number}: {text[:200]})" if text else f" (line {number} of {frames[-1].name})"


def unpickle(data):
    opener = "dill" if importlib.util.find_spec("dill") else "pickle"
    function = importlib.import_module(opener).loads(data)
    if not callable(function):
        raise TypeError(f"a {kind_of(function)}, no function")
    return function


def names_in(tree):
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def bound_in(tree):
    """What the module itself defines."""
    out = set()
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            out |= {(a.asname or a.name).partition(".")[0] for a in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            out.add(node.name)
        else:
            out |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return out


def without_foreign_decorators(tree, known):
    """@on_demand_feature_view(…) stood where the function was declared; here it is only a function."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [d for d in node.decorator_list if names_in(d) <= known]


def compile_function(source, entry):
    try:
        tree = ast.parse(textwrap.dedent(source))
    except (SyntaxError, ValueError) as error:
        line = f" (line {error.lineno})" if getattr(error, "lineno", None) else ""
        raise Trouble("function", f"{kind_of(error)}: {getattr(error, 'msg', error)}{line}") from None
    bound = bound_in(tree)
    module = types.ModuleType("slipway_function")
    module.__dict__["__name__"] = "slipway_function"
    for name in names_in(tree) - bound:
        if name in COMMON and importlib.util.find_spec(COMMON[name]):
            setattr(module, name, importlib.import_module(COMMON[name]))
    builtin = set(dir(module.__dict__.get("__builtins__") or __import__("builtins")))
    without_foreign_decorators(tree, bound | builtin | set(vars(module)))
    try:
        exec(compile(tree, "<function>", "exec"), module.__dict__)  # pylint: disable=exec-used — what this is for
    except BaseException as error:  # pylint: disable=broad-except — it is the user's
        raise Trouble("function", f"{kind_of(error)}: {short(error)}") from None
    found = [name for name in vars(module) if name in bound and isinstance(vars(module)[name], types.FunctionType)]
    if entry and not callable(vars(module).get(entry)):
        raise Trouble("function", f"`{entry}` is not defined in it")
    if not entry and not found:
        raise Trouble("function", "no function is defined in it")
    return vars(module)[entry or last_defined(tree, found)]


def last_defined(tree, names):
    """Of functions that the text defines: imported ones come second."""
    own = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    own += [t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)]
    return ([n for n in own if n in names] or names)[-1]


# ---------------------------------------------------------------- errors
def kind_of(value):
    return type(value).__name__


def short(error):
    try:
        text = str(error)
    except Exception:  # pylint: disable=broad-except — the user's __str__
        text = "?"
    text = text if len(text) <= TEXT_MAX else text[:TEXT_MAX] + "…"
    return text.encode("utf-8", "replace").decode()


def need(module):
    if importlib.util.find_spec(module) is None:
        raise Trouble("unavailable", f"the server's Python has no module {module}: install it there, or set --python")


# ---------------------------------------------------------------- the loop
class Worker:
    def __init__(self, server, answer_max):
        self.server, self.answer_max = server, answer_max
        self.functions = {}

    def define(self, head, body):
        facts, source, pickled = head["define"]
        at = facts + source
        self.functions[head["call"]] = Function(
            json.loads(body[:facts]), body[facts:at].decode(), body[at : at + pickled]
        )
        return at + pickled

    def answer(self, function, rows):
        columns = function.run(function.unfolded(pa.ipc.open_stream(rows).read_all()))
        batch = pa.RecordBatch.from_arrays(columns, schema=function.schema)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, function.schema) as writer:
            writer.write_batch(batch)
        out = sink.getvalue()
        if out.size > self.answer_max:
            raise Trouble("too_large", f"its answer has {out.size} bytes, at most {self.answer_max} are taken")
        return out

    def attempt(self, head, body):
        """What is answered: (head, body)."""
        function = None
        try:
            skipped = self.define(head, body) if "define" in head else 0
            function = self.functions[head["call"]]
            return {}, self.answer(function, pa.py_buffer(body)[skipped:] if skipped else body)
        except Trouble as error:
            return {"error": {"word": error.word, "text": str(error)}}, b""
        except (MemoryError, pa.ArrowMemoryError):
            return {"error": {"word": "memory", "text": "it needs more memory than a worker may have"}}, b""
        except BaseException as error:  # pylint: disable=broad-except — the user's, SystemExit as well
            text = f"{kind_of(error)}: {short(error)}" + (function.where(error) if function else "")
            return {"error": {"word": "failed", "text": text}}, b""

    def run(self):
        while True:
            head, body = self.server.receive()
            self.server.send({"id": head["id"], "taken": True})
            answer, out = self.attempt(head, body)
            del body
            answer.update(id=head["id"], defined=head["call"] in self.functions)
            self.server.send(answer, out)


def probe():
    """Run before the process is confined: what there is, and what of the machine Python needs to read."""
    there = [name for name in WANTED if importlib.util.find_spec(name)]
    facts = {
        "executable": sys.executable,
        "version": list(sys.version_info[:3]),
        "prefixes": sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}),
        "path": [entry for entry in sys.path if os.path.isabs(entry)],
        "absent": [name for name in WANTED if name not in there],
    }
    print(json.dumps(facts))


def main():
    global pa  # pylint: disable=global-statement — only a worker loads it, a probe doesn't
    config = json.loads(sys.argv[1])
    sys.path[:] = config["path"]
    sys.argv = ["slipway-worker"]
    import faulthandler
    import gc
    import tempfile

    # Else it tries to write where it can, to find out; some libraries ask as they are imported.
    tempfile.tempdir = os.environ["TMPDIR"] = config["scratch"]
    faulthandler.enable(file=2, all_threads=False)
    sys.stdout = sys.stderr = Nowhere()
    import pyarrow as pa
    import pyarrow.ipc  # noqa: F401

    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)
    gc.collect()
    gc.freeze()
    server = Server()
    server.send({"hello": 1})
    Worker(server, config["answer_bytes"]).run()


if sys.argv[1:] == ["probe"]:
    probe()
else:
    main()
