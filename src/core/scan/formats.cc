#include <algorithm>
#include <array>

#include "base/text.h"
#include "codec/json.h"
#include "core/scan/reader.h"

// Arrays of NumPy, safetensors, ONNX: formats that hold data unless somebody bent them.
namespace slip::scan {
namespace {

constexpr uint64_t kNpyHeaderMax = 1 << 20;
constexpr uint64_t kSafetensorsHeaderMax = 100 << 20;  // The format's own limit.

// A path that leaves the folder of the model.
bool leaves(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.find('\\') != path.npos ||
      path.find(':') != path.npos)
    return true;
  for (const std::string_view part : split(path, '/'))
    if (part == "..") return true;
  return false;
}

struct Field {
  uint64_t number = 0;
  int wire = 0;
  uint64_t value = 0;  // Varint, or length of what follows.
};

// The next field of a protobuf message; of a length-delimited one the reader stands at its bytes.
std::optional<Field> next_field(Reader& in) {
  const auto key = in.varint();
  if (!key || (*key >> 3) == 0) return std::nullopt;
  Field out{.number = *key >> 3, .wire = static_cast<int>(*key & 7), .value = 0};
  std::optional<uint64_t> value;
  switch (out.wire) {
    case 0:
    case 2:
      value = in.varint();
      break;
    case 1:
      value = in.little(8);
      break;
    case 5:
      value = in.little(4);
      break;
    default:
      break;
  }
  if (!value) return std::nullopt;
  out.value = *value;
  if (out.wire == 2 && out.value > static_cast<uint64_t>(std::max<int64_t>(in.left(), 0)))
    return std::nullopt;
  return out;
}

// Walks the messages of an ONNX file that can name things outside of it.
class Onnx {
 public:
  Onnx(Scan& scan, Reader& in) : scan_(scan), in_(in) {}

  bool model(int64_t end) {
    bool graph_seen = false;
    const bool good = each(end, [&](const Field& f, int64_t to) {
      if (f.number == 7 && f.wire == 2) {
        graph_seen = true;
        return graph(to, 0);
      }
      if (f.number == 8 && f.wire == 2) return opset(to);
      if (f.number == 25 && f.wire == 2) return function(to);
      return true;
    });
    return good && graph_seen;
  }

 private:
  static constexpr int kDepthMax = 32;

  template <class F>
  bool each(int64_t end, F&& on_field) {
    while (in_.position() < end) {
      if (++scan_.opcodes > scan_.limits.opcodes) {
        scan_.limit("more fields than are looked at");
        return false;
      }
      const auto field = next_field(in_);
      if (!field) return false;
      const int64_t to =
          in_.position() + (field->wire == 2 ? static_cast<int64_t>(field->value) : 0);
      if (to > end || !on_field(*field, to)) return false;
      in_.seek(to);
    }
    return in_.position() == end;
  }

  std::string text(const Field& f) {
    constexpr uint64_t kMax = 4096;
    return in_.bytes(static_cast<size_t>(std::min(f.value, kMax))).value_or("");
  }

  bool opset(int64_t end) {  // OperatorSetIdProto
    return each(end, [&](const Field& f, int64_t) {
      if (f.number != 1 || f.wire != 2) return true;
      domain(text(f));
      return true;
    });
  }

  void domain(const std::string& name) {
    constexpr std::array<std::string_view, 7> kKnown = {"",
                                                        "ai.onnx",
                                                        "ai.onnx.ml",
                                                        "ai.onnx.training",
                                                        "ai.onnx.preview.training",
                                                        "com.microsoft",
                                                        "com.microsoft.experimental"};
    if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end())
      scan_.found(Verdict::kUnknown, "onnx.custom_domain", name);
  }

  bool function(int64_t end) {  // FunctionProto: nodes are field 7, its domain 10.
    return each(end, [&](const Field& f, int64_t to) {
      if (f.number == 7 && f.wire == 2) return node(to, 0);
      return true;
    });
  }

  bool graph(int64_t end, int depth) {  // GraphProto
    if (depth > kDepthMax) {
      scan_.limit("graphs within graphs");
      return true;
    }
    return each(end, [&](const Field& f, int64_t to) {
      if (f.wire != 2) return true;
      if (f.number == 1) return node(to, depth);
      if (f.number == 5) return tensor(to);
      if (f.number == 15)  // SparseTensorProto: values 1, indices 2.
        return each(to, [&](const Field& s, int64_t end_of) {
          return s.wire == 2 && s.number <= 2 ? tensor(end_of) : true;
        });
      return true;
    });
  }

  bool node(int64_t end, int depth) {  // NodeProto
    std::string op;
    std::string own_domain;
    const bool good = each(end, [&](const Field& f, int64_t to) {
      if (f.wire != 2) return true;
      if (f.number == 4) op = text(f);
      if (f.number == 7) own_domain = text(f);
      if (f.number == 5) return attribute(to, depth);
      return true;
    });
    if (!own_domain.empty()) domain(own_domain);
    if (op == "PyOp" || op == "PythonOp" || op == "PyFunc" || op == "ATen")
      scan_.found(Verdict::kDangerous, "onnx.code_operator", op);
    return good;
  }

  bool attribute(int64_t end, int depth) {  // AttributeProto: t 5, g 6, tensors 10, graphs 11.
    return each(end, [&](const Field& f, int64_t to) {
      if (f.wire != 2) return true;
      if (f.number == 5 || f.number == 10) return tensor(to);
      if (f.number == 6 || f.number == 11) return graph(to, depth + 1);
      return true;
    });
  }

  bool tensor(int64_t end) {  // TensorProto: external_data 13, a list of key and value.
    return each(end, [&](const Field& f, int64_t to) {
      if (f.number != 13 || f.wire != 2) return true;
      std::string key;
      std::string value;
      const bool good = each(to, [&](const Field& e, int64_t) {
        if (e.wire == 2 && e.number == 1) key = text(e);
        if (e.wire == 2 && e.number == 2) value = text(e);
        return true;
      });
      if (key == "location") {
        if (leaves(value)) scan_.found(Verdict::kDangerous, "onnx.external_path", value);
      }
      return good;
    });
  }

  Scan& scan_;
  Reader& in_;
};

void check_tensor(Scan& scan, const std::string& name, const codec::Json& tensor, int64_t data) {
  const codec::Json* offsets = tensor.find("data_offsets");
  if (!offsets || !offsets->is_array() || offsets->items().size() != 2 ||
      !offsets->items()[0].is_int() || !offsets->items()[1].is_int()) {
    scan.found(Verdict::kUnknown, "safetensors.header", name);
    return;
  }
  const int64_t from = offsets->items()[0].as_int();
  const int64_t to = offsets->items()[1].as_int();
  if (from < 0 || to < from || to > data)
    scan.found(Verdict::kDangerous, "safetensors.offsets", name);
}

}  // namespace

void scan_npy(Scan& scan, Reader& reader) {
  reader.skip(6);
  const auto major = reader.byte();
  reader.byte();
  const auto size = major ? reader.little(*major == 1 ? 2 : 4) : std::nullopt;
  if (!size || *size > kNpyHeaderMax) {
    scan.found(Verdict::kUnknown, "npy.header", "a header that is not understood");
    return;
  }
  const auto header = reader.bytes(static_cast<size_t>(*size));
  if (!header) {
    scan.found(Verdict::kUnknown, "npy.header", "a header that is cut off");
    return;
  }
  // 'descr': '|O', or a field of a record that is one.
  const bool objects = header->find("|O'") != header->npos || header->find("'O'") != header->npos ||
                       header->find("|O\"") != header->npos ||
                       header->find("object") != header->npos;
  if (!objects) return;
  if (!scan_pickle(scan, reader))
    scan.found(Verdict::kUnknown, "npy.objects", "an array of objects that is no pickle");
}

void scan_safetensors(Scan& scan, Reader& reader) {
  const auto size = reader.little(8);
  if (!size || *size > kSafetensorsHeaderMax ||
      *size > static_cast<uint64_t>(std::max<int64_t>(reader.left(), 0))) {
    scan.found(Verdict::kDangerous, "safetensors.header", "a header longer than the file");
    return;
  }
  const auto header = reader.bytes(static_cast<size_t>(*size));
  const Result<codec::Json> parsed =
      header ? codec::parse_json(*header) : Result<codec::Json>(invalid("scan", ""));
  if (!parsed.ok() || !parsed->is_object()) {
    scan.found(Verdict::kUnknown, "safetensors.header", "a header that is no JSON object");
    return;
  }
  for (const auto& [name, tensor] : parsed->members())
    if (name != "__metadata__") check_tensor(scan, name, tensor, reader.left());
}

bool scan_onnx(Scan& scan, Reader& reader) {
  const int64_t end = reader.position() + reader.left();
  return Onnx(scan, reader).model(end);
}

}  // namespace slip::scan
