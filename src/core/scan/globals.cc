#include "core/scan/globals.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace slip::scan {
namespace {

using Names = std::string_view;

// Modules whose every name is refused, and whatever lies below them.
constexpr std::array kBadModules = {
    Names("_aix_support"),
    Names("_bootsubprocess"),
    Names("_frozen_importlib"),
    Names("_io"),
    Names("_osx_support"),
    Names("_pickle"),
    Names("_posixsubprocess"),
    Names("_pyrepl"),
    Names("_socket"),
    Names("_sqlite3"),
    Names("_thread"),
    Names("aiohttp"),
    Names("asyncio"),
    Names("atexit"),
    Names("bdb"),
    Names("cProfile"),
    Names("cgitb"),
    Names("code"),
    Names("codeop"),
    Names("commands"),
    Names("concurrent"),
    Names("ctypes"),
    Names("dill"),
    Names("distutils"),
    Names("doctest"),
    Names("ensurepip"),
    Names("fileinput"),
    Names("ftplib"),
    Names("glob"),
    Names("http"),
    Names("httplib"),
    Names("httpx"),
    Names("idlelib"),
    Names("imaplib"),
    Names("imp"),
    Names("importlib"),
    Names("inspect"),
    Names("io"),
    Names("lib2to3"),
    Names("linecache"),
    Names("logging.config"),
    Names("marshal"),
    Names("mmap"),
    Names("modulefinder"),
    Names("multiprocessing"),
    Names("nt"),
    Names("ntpath"),
    Names("os"),
    Names("paramiko"),

    Names("pdb"),
    Names("pickle"),
    Names("pip"),
    Names("pkgutil"),
    Names("platform"),
    Names("poplib"),
    Names("posix"),
    Names("posixpath"),
    Names("profile"),
    Names("pty"),
    Names("py_compile"),
    Names("pydoc"),
    Names("requests"),
    Names("resource"),
    Names("runpy"),
    Names("sched"),
    Names("select"),
    Names("setuptools"),
    Names("shelve"),
    Names("shutil"),
    Names("signal"),
    Names("site"),
    Names("smtplib"),
    Names("socket"),
    Names("socketserver"),
    Names("sqlite3"),
    Names("ssl"),
    Names("subprocess"),
    Names("sys"),
    Names("tempfile"),
    Names("test"),
    Names("telnetlib"),
    Names("threading"),
    Names("timeit"),
    Names("torch.hub"),
    Names("torch.package"),
    Names("torch.utils.cpp_extension"),
    Names("trace"),
    Names("tracemalloc"),
    Names("turtle"),
    Names("types"),
    Names("urllib"),
    Names("urllib2"),
    Names("urllib3"),

    Names("venv"),
    Names("webbrowser"),
    Names("xmlrpc"),
    Names("zipimport"),
    Names("numpy.testing"),
    Names("numpy.f2py"),
    Names("numpy.distutils"),
    Names("numpy.ctypeslib"),
    Names("joblib.externals.loky.process_executor"),
    Names("pandas.io"),
    Names("pandas.core.computation"),
    Names("sklearn.externals"),
    Names("torch.serialization"),
    Names("torch.jit"),
    Names("torch._inductor"),
    Names("torch.distributed"),
    Names("torch.multiprocessing"),
    Names("torch.testing"),
    Names("torch.fx"),
    Names("torch.ao"),
    Names("scipy.weave"),
    Names("sympy"),
};

struct Pair {
  Names module;
  Names name;
};
constexpr std::array kBadPairs = {
    Pair{"operator", "attrgetter"},
    Pair{"operator", "methodcaller"},
    Pair{"operator", "itemgetter"},
    Pair{"_operator", "attrgetter"},
    Pair{"_operator", "methodcaller"},
    Pair{"_operator", "itemgetter"},
    Pair{"functools", "partial"},
    Pair{"functools", "reduce"},
    Pair{"functools", "partialmethod"},
    Pair{"codecs", "open"},
    Pair{"copyreg", "add_extension"},
    Pair{"copy_reg", "add_extension"},
    Pair{"numpy", "load"},
    Pair{"numpy", "loads"},
    Pair{"numpy", "fromfile"},
    Pair{"numpy", "memmap"},
    Pair{"numpy", "savetxt"},
    Pair{"numpy", "loadtxt"},
    Pair{"numpy", "genfromtxt"},
    Pair{"numpy", "tofile"},
    Pair{"torch", "load"},
    Pair{"torch", "save"},
    Pair{"torch", "compile"},
    Pair{"joblib", "load"},
    Pair{"joblib", "dump"},
    Pair{"joblib.numpy_pickle", "load"},
    Pair{"pandas", "read_pickle"},
    Pair{"pandas", "eval"},
    Pair{"pandas", "read_csv"},
    Pair{"logging", "FileHandler"},
    Pair{"yaml", "load"},
    Pair{"yaml", "unsafe_load"},
    Pair{"xgboost.core", "_load_lib"},
};

// Of builtins only what builds data; everything else of it runs or reaches something.
constexpr std::array kGoodBuiltins = {
    Names("bool"),           Names("bytearray"), Names("bytes"),     Names("complex"),
    Names("dict"),           Names("float"),     Names("frozenset"), Names("int"),
    Names("list"),           Names("object"),    Names("range"),     Names("set"),
    Names("slice"),          Names("str"),       Names("tuple"),     Names("Ellipsis"),
    Names("NotImplemented"), Names("long"),      Names("unicode"),   Names("xrange"),
};

constexpr std::array kGoodPairs = {
    Pair{"copyreg", "_reconstructor"},
    Pair{"copy_reg", "_reconstructor"},
    Pair{"copyreg", "__newobj__"},
    Pair{"collections", "OrderedDict"},
    Pair{"collections", "defaultdict"},
    Pair{"collections", "deque"},
    Pair{"collections", "Counter"},
    Pair{"datetime", "datetime"},
    Pair{"datetime", "date"},
    Pair{"datetime", "time"},
    Pair{"datetime", "timedelta"},
    Pair{"datetime", "timezone"},
    Pair{"decimal", "Decimal"},
    Pair{"fractions", "Fraction"},
    Pair{"uuid", "UUID"},
    Pair{"pathlib", "PosixPath"},
    Pair{"pathlib", "PurePosixPath"},
    Pair{"pathlib", "WindowsPath"},
    Pair{"_codecs", "encode"},
    Pair{"joblib.numpy_pickle", "NumpyArrayWrapper"},
    Pair{"joblib.numpy_pickle", "NDArrayWrapper"},
    Pair{"torch._utils", "_rebuild_tensor"},
    Pair{"torch._utils", "_rebuild_tensor_v2"},
    Pair{"torch._utils", "_rebuild_parameter"},
    Pair{"torch._utils", "_rebuild_qtensor"},
    Pair{"torch._utils", "_rebuild_sparse_tensor"},
    Pair{"torch._tensor", "_rebuild_from_type_v2"},
    Pair{"torch", "Size"},
    Pair{"torch", "Tensor"},
    Pair{"torch", "device"},
    Pair{"torch", "FloatStorage"},
    Pair{"torch", "DoubleStorage"},
    Pair{"torch", "HalfStorage"},
    Pair{"torch", "BFloat16Storage"},
    Pair{"torch", "LongStorage"},
    Pair{"torch", "IntStorage"},
    Pair{"torch", "ShortStorage"},
    Pair{"torch", "CharStorage"},
    Pair{"torch", "ByteStorage"},
    Pair{"torch", "BoolStorage"},
    Pair{"torch.nn.parameter", "Parameter"},
    Pair{"torch.storage", "UntypedStorage"},
    Pair{"torch.storage", "TypedStorage"},
    Pair{"numpy", "ndarray"},
    Pair{"numpy", "dtype"},
    Pair{"numpy", "matrix"},
    Pair{"numpy.core.multiarray", "_reconstruct"},
    Pair{"numpy.core.multiarray", "scalar"},
    Pair{"numpy._core.multiarray", "_reconstruct"},
    Pair{"numpy._core.multiarray", "scalar"},
    Pair{"numpy.core.numeric", "_frombuffer"},
    Pair{"numpy._core.numeric", "_frombuffer"},
    Pair{"numpy.random._pickle", "__randomstate_ctor"},
    Pair{"numpy.random._pickle", "__generator_ctor"},
    Pair{"numpy.random._pickle", "__bit_generator_ctor"},
    Pair{"numpy.random._mt19937", "MT19937"},
    Pair{"numpy.random._pcg64", "PCG64"},
    Pair{"numpy.ma.core", "_mareconstruct"},
    Pair{"numpy.ma.core", "MaskedArray"},
    Pair{"pandas._libs.internals", "_unpickle_block"},
    Pair{"pandas.core.frame", "DataFrame"},
    Pair{"pandas.core.series", "Series"},
    Pair{"pandas.core.indexes.base", "_new_Index"},
    Pair{"pandas.core.indexes.base", "Index"},
    Pair{"pandas.core.indexes.range", "RangeIndex"},
    Pair{"pandas.core.internals.managers", "BlockManager"},
    Pair{"pandas.core.internals.managers", "SingleBlockManager"},
    Pair{"scipy.sparse._csr", "csr_matrix"},
    Pair{"scipy.sparse._csc", "csc_matrix"},
    Pair{"scipy.sparse._coo", "coo_matrix"},
    Pair{"xgboost.core", "Booster"},
    Pair{"xgboost.sklearn", "XGBClassifier"},
    Pair{"xgboost.sklearn", "XGBRegressor"},
    Pair{"xgboost.sklearn", "XGBRanker"},
    Pair{"lightgbm.basic", "Booster"},
    Pair{"lightgbm.sklearn", "LGBMClassifier"},
    Pair{"lightgbm.sklearn", "LGBMRegressor"},
    Pair{"lightgbm.sklearn", "LGBMRanker"},
    Pair{"lightgbm.compat", "_LGBMLabelEncoder"},
};

// Estimators: classes with a capital (or a Cython helper with an underscore), nothing else of it.
constexpr std::array kGoodPackages = {Names("sklearn.")};
// Scalar types: numpy.float64, numpy.int32 …
constexpr std::array kGoodScalars = {
    Names("float16"),     Names("float32"),   Names("float64"),    Names("int8"),
    Names("int16"),       Names("int32"),     Names("int64"),      Names("uint8"),
    Names("uint16"),      Names("uint32"),    Names("uint64"),     Names("bool_"),
    Names("bool"),        Names("str_"),      Names("bytes_"),     Names("datetime64"),
    Names("timedelta64"), Names("complex64"), Names("complex128"),
};

bool below(Names module, Names package) {
  return module == package || (module.starts_with(package) && module.size() > package.size() &&
                               module[package.size()] == '.');
}

template <class List>
bool has(const List& list, Names item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

template <class List>
bool has_pair(const List& list, Names module, Names name) {
  return std::any_of(list.begin(), list.end(),
                     [&](const Pair& p) { return p.module == module && p.name == name; });
}

bool is_builtins(Names module) { return module == "builtins" || module == "__builtin__"; }

}  // namespace

Verdict judge_global(Names module, Names name) {
  // A dotted name walks attributes: whatever the module, it can end anywhere.
  if (name.find('.') != name.npos || name.find("__") != name.npos) {
    if (!has_pair(kGoodPairs, module, name)) return Verdict::kDangerous;
  }
  if (is_builtins(module)) return has(kGoodBuiltins, name) ? Verdict::kClean : Verdict::kDangerous;
  if (std::any_of(kBadModules.begin(), kBadModules.end(),
                  [&](Names bad) { return below(module, bad); }))
    return Verdict::kDangerous;
  if (has_pair(kBadPairs, module, name)) return Verdict::kDangerous;
  if (has_pair(kGoodPairs, module, name)) return Verdict::kClean;
  if (module == "numpy" && has(kGoodScalars, name)) return Verdict::kClean;
  if (module.starts_with("numpy.dtypes") && name.ends_with("DType")) return Verdict::kClean;
  for (const Names package : kGoodPackages)
    if (module.starts_with(package) && !name.empty() &&
        ((name.front() >= 'A' && name.front() <= 'Z') || name == "__pyx_unpickle_Enum"))
      return Verdict::kClean;
  return Verdict::kUnknown;
}

}  // namespace slip::scan
