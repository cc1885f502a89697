"""libslipway_rt through ctypes, and what reads a bundle's golden tensors."""
import base64
import ctypes
import pathlib

import numpy as np

TYPES = {"FP32": np.float32, "FP64": np.float64, "INT64": np.int64, "INT32": np.int32}


class Ask(ctypes.Structure):
    _fields_ = [("output", ctypes.c_int32), ("values", ctypes.c_void_p), ("rows", ctypes.c_size_t), ("features", ctypes.c_size_t),
                ("out", ctypes.c_void_p), ("out_size", ctypes.c_size_t)]


class Column(ctypes.Structure):
    pass


Column._fields_ = [("name", ctypes.c_char_p), ("type", ctypes.c_int32), ("item_type", ctypes.c_int32), ("rows", ctypes.c_int64),
                   ("validity", ctypes.c_void_p), ("offsets", ctypes.c_void_p), ("data", ctypes.c_void_p),
                   ("data_bytes", ctypes.c_size_t), ("items", ctypes.POINTER(Column))]
KINDS = {"bool": 0, "int64": 1, "double": 2, "string": 3, "bytes": 4, "timestamp": 5}


class Refused(Exception):
    pass


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(str(pathlib.Path(path).resolve()))
        for name in ("error", "error_reason", "version", "transform_hash", "model_library"):
            getattr(self.c, f"slipway_rt_{name}").restype = ctypes.c_char_p

    def checked(self, status):
        if status:
            raise Refused(self.c.slipway_rt_error_reason().decode())

    def load(self, data):
        out = ctypes.c_void_p()
        self.checked(self.c.slipway_rt_model_load(data, ctypes.c_size_t(len(data)), ctypes.byref(out)))
        return out

    def predict(self, model, rows, output=0):
        rows = np.ascontiguousarray(rows, np.float32)
        width = self.c.slipway_rt_model_outputs(model, ctypes.c_int32(output))
        out = np.empty((len(rows), width), np.float32)
        ask = Ask(output, rows.ctypes.data, len(rows), rows.shape[1], out.ctypes.data, out.size)
        self.checked(self.c.slipway_rt_predict_f32(model, ctypes.byref(ask)))
        return out

    def transform(self, text, columns):
        """`columns`: name -> doubles; the expression's doubles."""
        schema = (Column * len(columns))()
        for c, (name, values) in zip(schema, columns.items()):
            c.name, c.type, c.rows, c.data, c.data_bytes = name.encode(), KINDS["double"], len(values), values.ctypes.data, values.nbytes
        made, values, view = ctypes.c_void_p(), ctypes.c_void_p(), Column()
        self.checked(self.c.slipway_rt_transform_compile(text.encode(), schema, ctypes.c_size_t(len(columns)), None, ctypes.byref(made)))
        rows = len(next(iter(columns.values())))
        self.checked(self.c.slipway_rt_evaluate(made, schema, ctypes.c_size_t(len(columns)), ctypes.c_int64(rows), ctypes.byref(values)))
        self.checked(self.c.slipway_rt_values_column(values, ctypes.byref(view)))
        out = np.frombuffer(ctypes.string_at(view.data, view.data_bytes), np.float64).copy()
        digest = self.c.slipway_rt_transform_hash(made).decode()
        self.c.slipway_rt_values_free(values)
        self.c.slipway_rt_transform_free(made)
        return out, digest

    def free(self, model):
        self.c.slipway_rt_model_free(model)


def array(tensor):
    return np.frombuffer(base64.b64decode(tensor["base64"]), TYPES[tensor["datatype"]]).reshape(tensor["shape"])


def arrays(golden, side):
    return {t["name"]: array(t) for t in golden[side]}
