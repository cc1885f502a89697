#include "model/onnx_graph.h"

#include <algorithm>
#include <bit>
#include <set>

#include "base/protobuf.h"
#include "base/text.h"

namespace slip::model {
namespace {

constexpr int64_t kFloat = 1, kUint8 = 2, kInt8 = 3, kInt32 = 6, kInt64 = 7, kDouble = 11;

Error bad(std::string_view where, std::string_view what) {
  return invalid("model.field", concat({where, " ", what}));
}

// Calls on_field for each field of a message.
template <class F>
Status each(std::string_view message, std::string_view where, const F& on_field) {
  ProtoReader reader(message);
  while (true) {
    Result<std::optional<ProtoField>> field = reader.next();
    if (!field.ok()) return invalid("model.syntax", concat({where, ": no protobuf message"}));
    if (!field->has_value()) return {};
    TRY(on_field(**field));
  }
}

float as_float(uint64_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits)); }

template <class T>
T little_endian(std::string_view bytes) {
  uint64_t out = 0;
  for (size_t i = 0; i < bytes.size(); ++i)
    out |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  if constexpr (std::is_same_v<T, float>)
    return as_float(out);
  else if constexpr (std::is_same_v<T, double>)
    return std::bit_cast<double>(out);
  else
    return static_cast<T>(out);
}

template <class T>
Status put_raw(std::string_view raw, std::string_view where, std::vector<double>& out) {
  if (raw.size() % sizeof(T) != 0) return bad(where, "has a broken number");
  out.reserve(out.size() + raw.size() / sizeof(T));
  for (; !raw.empty(); raw.remove_prefix(sizeof(T)))
    out.push_back(static_cast<double>(little_endian<T>(raw.substr(0, sizeof(T)))));
  return {};
}

// Repeated floats or doubles: packed, or one a field.
template <class T>
Status put_numbers(const ProtoField& field, std::string_view where, std::vector<double>& out) {
  if (field.wire_type == 2) return put_raw<T>(field.bytes, where, out);
  if (field.wire_type != (sizeof(T) == 4 ? 5 : 1)) return bad(where, "has a broken number");
  out.push_back(sizeof(T) == 4 ? static_cast<double>(as_float(field.value)) : field.as_double());
  return {};
}

Status put_integers(const ProtoField& field, std::string_view where, std::vector<int64_t>& out) {
  if (field.wire_type == 0) {
    out.push_back(static_cast<int64_t>(field.value));
    return {};
  }
  uint64_t value = 0;
  unsigned shift = 0;
  for (const char c : field.bytes) {
    if (shift > 63) return bad(where, "has a broken integer");
    value |= static_cast<uint64_t>(static_cast<uint8_t>(c) & 0x7f) << shift;
    shift += 7;
    if ((c & 0x80) != 0) continue;
    out.push_back(static_cast<int64_t>(value));
    value = 0;
    shift = 0;
  }
  return shift == 0 ? Status() : bad(where, "has a broken integer");
}

struct Tensor {
  int64_t type = 0;
  std::string_view raw;
  bool has_raw = false;
  bool outside = false;
  std::vector<double> numbers;
  std::vector<int64_t> integers;
};

Status put_tensor(std::string_view message, Attribute& a) {
  Tensor t;
  TRY(each(message, a.name, [&](const ProtoField& f) -> Status {
    if (f.number == 2) t.type = static_cast<int64_t>(f.value);
    if (f.number == 4) return put_numbers<float>(f, a.name, t.numbers);
    if (f.number == 5 || f.number == 7) return put_integers(f, a.name, t.integers);
    if (f.number == 10) return put_numbers<double>(f, a.name, t.numbers);
    if (f.number == 9) t.raw = f.bytes, t.has_raw = true;
    if (f.number == 14 && f.value != 0) t.outside = true;
    return {};
  }));
  if (t.outside) return unsupported("model.unsupported", concat({a.name, " lies in another file"}));
  a.doubles = t.type == kDouble;
  a.numbers = std::move(t.numbers);
  for (const int64_t i : t.integers) a.numbers.push_back(static_cast<double>(i));
  if (!t.has_raw) return {};
  if (t.type == kFloat) return put_raw<float>(t.raw, a.name, a.numbers);
  if (t.type == kDouble) return put_raw<double>(t.raw, a.name, a.numbers);
  if (t.type == kUint8) return put_raw<uint8_t>(t.raw, a.name, a.numbers);
  if (t.type == kInt8) return put_raw<int8_t>(t.raw, a.name, a.numbers);
  if (t.type == kInt32) return put_raw<int32_t>(t.raw, a.name, a.numbers);
  if (t.type == kInt64) return put_raw<int64_t>(t.raw, a.name, a.numbers);
  return {};  // What no attribute of ours has.
}

Result<Attribute> parse_attribute(std::string_view message) {
  Attribute out;
  TRY(each(message, "attribute", [&](const ProtoField& f) -> Status {
    switch (f.number) {
      case 1:
        out.name = f.bytes;
        return {};
      case 2:
        out.number = static_cast<double>(as_float(f.value));
        return {};
      case 3:
        out.integer = static_cast<int64_t>(f.value);
        return {};
      case 4:
        out.text = f.bytes;
        return {};
      case 5:
        return put_tensor(f.bytes, out);
      case 7:
        return put_numbers<float>(f, out.name, out.numbers);
      case 8:
        return put_integers(f, out.name, out.integers);
      case 9:
        out.texts.emplace_back(f.bytes);
        return {};
      default:
        return {};
    }
  }));
  return out;
}

Result<OnnxNode> parse_node(std::string_view message) {
  OnnxNode out;
  TRY(each(message, "node", [&](const ProtoField& f) -> Status {
    if (f.number == 1) out.inputs.emplace_back(f.bytes);
    if (f.number == 2) out.outputs.emplace_back(f.bytes);
    if (f.number == 3) out.name = f.bytes;
    if (f.number == 4) out.op = f.bytes;
    if (f.number == 7) out.domain = f.bytes;
    if (f.number != 5) return {};
    Attribute a = TRY(parse_attribute(f.bytes));
    out.attributes.push_back(std::move(a));
    return {};
  }));
  return out;
}

// TypeProto.Tensor: elem_type 1, shape 2 {dim 1 {dim_value 1}}.
Status parse_shape(std::string_view message, OnnxInput& out) {
  std::vector<int64_t> dims;
  TRY(each(message, out.name, [&](const ProtoField& f) -> Status {
    if (f.number != 1) return {};
    int64_t size = -1;
    TRY(each(f.bytes, out.name, [&](const ProtoField& d) -> Status {
      if (d.number == 1) size = static_cast<int64_t>(d.value);
      return {};
    }));
    dims.push_back(size);
    return {};
  }));
  if (dims.size() == 1) out.width = 1;
  if (dims.size() == 2) out.width = dims[1];
  if (dims.size() > 2)
    return unsupported("model.unsupported",
                       concat({"input ", out.name, " has more than two dimensions"}));
  return {};
}

Result<OnnxInput> parse_input(std::string_view message) {
  OnnxInput out;
  std::string_view type;
  TRY(each(message, "input", [&](const ProtoField& f) -> Status {
    if (f.number == 1) out.name = f.bytes;
    if (f.number == 2) type = f.bytes;
    return {};
  }));
  TRY(each(type, out.name, [&](const ProtoField& f) -> Status {
    if (f.number != 1) return {};
    return each(f.bytes, out.name, [&](const ProtoField& t) -> Status {
      if (t.number == 1) out.type = static_cast<int64_t>(t.value);
      return t.number == 2 ? parse_shape(t.bytes, out) : Status();
    });
  }));
  return out;
}

Result<OnnxGraph> parse_graph(std::string_view message) {
  OnnxGraph out;
  std::set<std::string, std::less<>> filled;
  TRY(each(message, "graph", [&](const ProtoField& f) -> Status {
    if (f.number == 1) {
      OnnxNode node = TRY(parse_node(f.bytes));
      out.nodes.push_back(std::move(node));
    } else if (f.number == 5) {
      return each(f.bytes, "initializer", [&](const ProtoField& t) -> Status {
        if (t.number == 8) filled.emplace(t.bytes);
        return {};
      });
    } else if (f.number == 11) {
      OnnxInput input = TRY(parse_input(f.bytes));
      out.inputs.push_back(std::move(input));
    }
    return {};
  }));
  std::erase_if(out.inputs, [&](const OnnxInput& i) { return filled.contains(i.name); });
  return out;
}

}  // namespace

const Attribute* OnnxNode::find(std::string_view attribute) const {
  const auto at = std::find_if(attributes.begin(), attributes.end(),
                               [&](const Attribute& a) { return a.name == attribute; });
  return at == attributes.end() ? nullptr : &*at;
}

Result<OnnxGraph> parse_onnx(std::string_view bytes) {
  if (bytes.size() > (size_t{1} << 30))
    return exhausted("model.too_large", "a model has 1 GiB at most");
  std::string_view graph;
  bool found = false;
  TRY(each(bytes, "model", [&](const ProtoField& f) -> Status {
    if (f.number == 7 && f.wire_type == 2) graph = f.bytes, found = true;
    return {};
  }));
  if (!found) return invalid("model.syntax", "neither XGBoost nor LightGBM nor ONNX with a graph");
  return parse_graph(graph);
}

}  // namespace slip::model
