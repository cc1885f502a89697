#include "bundle/golden.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "base/text.h"
#include "model/model.h"

namespace slip::bundle {
namespace {

using codec::Json;
using serving::DataType;
using serving::Signature;
using serving::Tensor;
using serving::TensorSpec;

// splitmix64
class Throws {
 public:
  explicit Throws(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
  }
  size_t below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(next() % n); }
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  uint64_t state_;
};

bool takes_rows(const Signature& s) {
  return std::ranges::all_of(
      s.inputs, [](const TensorSpec& i) { return !i.shape.empty() && i.shape.front() == -1; });
}

int64_t width_of(const TensorSpec& spec) {
  int64_t out = 1;
  for (size_t d = 1; d < spec.shape.size(); ++d) out *= std::max<int64_t>(spec.shape[d], 1);
  return out;
}

int64_t rows_for(const Signature& s, int64_t most) {
  if (!takes_rows(s)) return 1;
  int64_t cells = 1;
  for (const TensorSpec& spec : s.inputs) cells += width_of(spec);
  return std::clamp<int64_t>(kGoldenCells / cells, 1, most);
}

Tensor room_for(const TensorSpec& spec, int64_t rows, bool by_rows) {
  Tensor t;
  t.name = spec.name;
  t.type = spec.type;
  t.shape = spec.shape;
  for (int64_t& d : t.shape) d = d < 0 ? 1 : d;
  if (by_rows) t.shape.front() = rows;
  const auto n = static_cast<size_t>(t.elements());
  if (t.type == DataType::kBytes)
    t.strings.resize(n);
  else
    t.data.resize(n * serving::data_type_bytes(t.type));
  return t;
}

template <class T>
void put(Tensor* t, size_t at, T value) {
  std::memcpy(t->data.data() + at * sizeof(T), &value, sizeof(T));
}

// ---- any model

void fill(Tensor* t, Throws& dice) {
  const auto n = static_cast<size_t>(t->elements());
  for (size_t i = 0; i < n; ++i) {
    const double real = dice.unit() * 6 - 3;
    const size_t small = dice.below(10);
    switch (t->type) {
      case DataType::kBytes:
        t->strings[i] = std::to_string(small);
        break;
      case DataType::kFp32:
        put(t, i, static_cast<float>(real));
        break;
      case DataType::kFp64:
        put(t, i, real);
        break;
      case DataType::kFp16:
        put(t, i, static_cast<uint16_t>(0x3c00 + small));  // One and a little more.
        break;
      case DataType::kBf16:
        put(t, i, static_cast<uint16_t>(0x3f80 + small));
        break;
      case DataType::kBool:
        t->data[i] = small < 5 ? 0 : 1;
        break;
      default: {  // Whole numbers, little-endian.
        const size_t width = serving::data_type_bytes(t->type);
        t->data[i * width] = static_cast<char>(small);
      }
    }
  }
}

std::vector<Tensor> any_inputs(const Signature& s, int64_t rows, Throws& dice) {
  std::vector<Tensor> out;
  for (const TensorSpec& spec : s.inputs) {
    out.push_back(room_for(spec, rows, takes_rows(s)));
    fill(&out.back(), dice);
  }
  return out;
}

// ---- trees

// Where in the inputs each feature lies; nothing when they don't fit each other.
struct Place {
  size_t input = 0;
  int64_t column = 0;
};
std::optional<std::vector<Place>> places_of(const Signature& s, const trees::Forest& f) {
  std::vector<Place> out;
  const bool floats = std::ranges::all_of(s.inputs, [](const TensorSpec& i) {
    return i.type == DataType::kFp32 && i.shape.size() == 2 && i.shape[1] > 0;
  });
  if (!floats || !takes_rows(s)) return std::nullopt;
  if (s.inputs.size() == 1) {
    if (s.inputs.front().shape[1] != f.features) return std::nullopt;
    for (uint32_t i = 0; i < f.features; ++i) out.push_back({0, i});
    return out;
  }
  for (const std::string& name : f.feature_names)
    for (size_t i = 0; i < s.inputs.size(); ++i)
      for (int64_t c = 0; c < s.inputs[i].shape[1]; ++c) {
        const std::string& of = s.inputs[i].name;
        if (name == (s.inputs[i].shape[1] == 1 ? of : concat({of, "_", std::to_string(c)})))
          out.push_back({i, c});
      }
  return out.size() == f.features ? std::optional(out) : std::nullopt;
}

// Numbers that a feature is asked about.
std::vector<std::vector<float>> asked_of(const trees::Forest& f) {
  constexpr size_t kEach = 4096;
  std::vector<std::vector<float>> out(f.features);
  for (const trees::Node& n : f.nodes) {
    std::vector<float>& of = out[static_cast<size_t>(n.feature)];
    if (of.size() >= kEach) continue;
    if (n.test != trees::Test::kInSet) {
      of.push_back(static_cast<float>(n.threshold));
      continue;
    }
    const trees::Set& set = f.sets[n.set];
    for (const double m : set.members) of.push_back(static_cast<float>(m));
    for (size_t c = 0; c < set.bits.size() * 32 && of.size() < kEach; ++c)
      if (set.bits[c / 32] >> (c % 32) & 1) of.push_back(static_cast<float>(c));
  }
  for (std::vector<float>& of : out) {
    std::ranges::sort(of);
    of.erase(std::ranges::unique(of).begin(), of.end());
  }
  return out;
}

float value_of(const std::vector<float>& asked, Throws& dice) {
  const size_t how = dice.below(10);
  if (how == 0) return std::nanf("");
  if (how == 1) return 0;
  if (asked.empty()) return static_cast<float>(dice.unit() * 6 - 3);
  const float at = asked[dice.below(asked.size())];
  if (how < 5) return at;
  if (how < 7) return std::nextafterf(at, HUGE_VALF);
  if (how < 9) return std::nextafterf(at, -HUGE_VALF);
  const auto low = static_cast<double>(asked.front()), high = static_cast<double>(asked.back());
  return static_cast<float>(low + (high - low) * dice.unit());
}

std::optional<std::vector<Tensor>> tree_inputs(const Signature& s, const trees::Forest& f,
                                               int64_t rows, Throws& dice) {
  const auto places = places_of(s, f);
  if (!places) return std::nullopt;
  const std::vector<std::vector<float>> asked = asked_of(f);
  std::vector<Tensor> out;
  for (const TensorSpec& spec : s.inputs) out.push_back(room_for(spec, rows, true));
  for (int64_t row = 0; row < rows; ++row)
    for (size_t i = 0; i < places->size(); ++i) {
      const Place& p = (*places)[i];
      const auto at = static_cast<size_t>(row * s.inputs[p.input].shape[1] + p.column);
      put(&out[p.input], at, value_of(asked[i], dice));
    }
  return out;
}

// ---- traffic

// What of a request are the model's inputs (it brought keys, too, where features were looked up);
// nothing when they aren't all there.
std::vector<Tensor> inputs_of(const Signature& s, const std::vector<Tensor>& request) {
  std::vector<Tensor> out;
  for (const TensorSpec& spec : s.inputs) {
    const auto at = std::ranges::find(request, spec.name, &Tensor::name);
    if (at == request.end() || at->shape.empty() || at->rows() != request.front().rows()) return {};
    out.push_back(*at);
  }
  return takes_rows(s) && serving::check_inputs(s, out).ok() ? out : std::vector<Tensor>();
}

// Requests of the same shape behind each other.
std::vector<Tensor> together(const Signature& s, const std::vector<std::vector<Tensor>>& logged) {
  std::vector<Tensor> out;
  int64_t rows = 0;
  const int64_t most = rows_for(s, kLoggedRows);
  for (const std::vector<Tensor>& request : logged) {
    std::vector<Tensor> more = inputs_of(s, request);
    if (more.empty() || rows + more.front().rows() > most) continue;
    rows += more.front().rows();
    if (out.empty()) {
      out = std::move(more);
      continue;
    }
    bool same = true;
    for (size_t i = 0; i < out.size(); ++i)
      same = same && std::equal(out[i].shape.begin() + 1, out[i].shape.end(),
                                more[i].shape.begin() + 1, more[i].shape.end());
    if (!same) {
      rows -= more.front().rows();
      continue;
    }
    for (size_t i = 0; i < out.size(); ++i) {
      out[i].data += more[i].data;
      out[i].strings.insert(out[i].strings.end(), more[i].strings.begin(), more[i].strings.end());
      out[i].shape.front() += more[i].rows();
    }
  }
  return out;
}

// ---- as JSON

Json tensor_json(const Tensor& t) {
  Json shape = Json::array();
  for (const int64_t d : t.shape) shape.push(d);
  Json out = Json::object({{"name", t.name}, {"datatype", serving::data_type_name(t.type)}});
  out.set("shape", std::move(shape));
  if (t.type != DataType::kBytes) {
    out.set("base64", to_base64(t.data));
    return out;
  }
  Json texts = Json::array();
  for (const std::string& s : t.strings) texts.push(to_base64(s));
  out.set("texts_base64", std::move(texts));
  return out;
}

Error bad(std::string_view what) { return invalid("bundle.golden", std::string(what)); }

Result<Tensor> read_tensor(const Json& from) {
  Tensor t;
  t.name = TRY(codec::want_string(from, "name"));
  const auto type = serving::parse_data_type(TRY(codec::want_string(from, "datatype")));
  if (!type) return bad("a datatype that isn't known");
  t.type = *type;
  const Json* shape = from.find("shape");
  if (shape == nullptr || !shape->is_array()) return bad("a tensor without a shape");
  for (const Json& d : shape->items()) {
    if (!d.is_int()) return bad("a shape that isn't whole numbers");
    t.shape.push_back(d.as_int());
  }
  const auto count = static_cast<size_t>(TRY(serving::count_elements(t.shape)));
  if (t.type != DataType::kBytes) {
    const auto bytes = from_base64(TRY(codec::want_string(from, "base64")));
    if (!bytes || bytes->size() != count * serving::data_type_bytes(t.type))
      return bad(concat({"`", t.name, "` hasn't the bytes of its shape"}));
    t.data = *bytes;
    return t;
  }
  const Json* texts = from.find("texts_base64");
  if (texts == nullptr || !texts->is_array() || texts->items().size() != count)
    return bad(concat({"`", t.name, "` hasn't the texts of its shape"}));
  for (const Json& one : texts->items()) {
    const auto text = one.is_string() ? from_base64(one.as_string()) : std::nullopt;
    if (!text) return bad("a text that isn't base64");
    t.strings.push_back(*text);
  }
  return t;
}

Result<std::vector<Tensor>> read_tensors(const Json& from, std::string_view field) {
  const Json* list = from.find(field);
  if (list == nullptr || !list->is_array()) return bad(concat({"no ", field}));
  std::vector<Tensor> out;
  for (const Json& one : list->items()) out.push_back(TRY(read_tensor(one)));
  return out;
}

}  // namespace

Result<Golden> make_golden(const serving::Model& model, const trees::Forest* forest,
                           const std::vector<std::vector<Tensor>>& logged, uint64_t seed) {
  const Signature& s = model.signature();
  Golden out;
  out.inputs = together(s, logged);
  out.from = "traffic";
  if (out.inputs.empty()) {
    Throws dice(seed);
    out.from = "generated";
    out.seed = seed;
    const int64_t rows = rows_for(s, kGoldenRows);
    std::optional<std::vector<Tensor>> made;
    if (forest != nullptr) made = tree_inputs(s, *forest, rows, dice);
    out.inputs = made ? std::move(*made) : any_inputs(s, rows, dice);
  }
  Result<std::vector<Tensor>> answers = model.run(out.inputs, {});
  if (!answers.ok()) return std::move(answers).error().within("golden inputs");
  out.outputs = std::move(*answers);
  out.rows = out.inputs.empty() ? 0 : out.inputs.front().rows();
  return out;
}

Json golden_json(const Golden& golden) {
  Json inputs = Json::array(), outputs = Json::array();
  for (const Tensor& t : golden.inputs) inputs.push(tensor_json(t));
  for (const Tensor& t : golden.outputs) outputs.push(tensor_json(t));
  Json out = Json::object({{"rows", golden.rows}, {"from", golden.from}});
  if (golden.from == "generated") out.set("seed", std::to_string(golden.seed));
  out.set("inputs", std::move(inputs));
  out.set("outputs", std::move(outputs));
  return out;
}

Result<Golden> read_golden(std::string_view text) {
  const Json from = TRY(codec::parse_json(text));
  Golden out;
  out.rows = TRY(codec::want_int(from, "rows"));
  out.from = TRY(codec::want_string(from, "from"));
  out.inputs = TRY(read_tensors(from, "inputs"));
  out.outputs = TRY(read_tensors(from, "outputs"));
  return out;
}

namespace {

bool is_number(DataType type) { return type != DataType::kBytes && type != DataType::kBool; }

void compare_numbers(const Tensor& want, const Tensor& have, const Tolerance& tolerance,
                     Parity* out) {
  for (int64_t i = 0; i < want.elements(); ++i, ++out->values) {
    const double w = want.number(i), h = have.number(i);
    if (w == h || (std::isnan(w) && std::isnan(h))) continue;
    const double apart = std::fabs(w - h);
    if (!std::isfinite(apart)) {
      out->abs = out->rel = HUGE_VAL;
      ++out->outside;
      continue;
    }
    out->abs = std::max(out->abs, apart);
    out->rel = std::max(out->rel, apart / std::max(std::fabs(w), std::fabs(h)));
    if (apart > tolerance.atol + tolerance.rtol * std::fabs(w)) ++out->outside;
  }
}

// Values as near to the threshold as the tolerance don't decide.
void compare_decisions(const Tensor& want, const Tensor& have, const Tolerance& tolerance,
                       const Decision& d, Parity* out) {
  const int64_t stride = serving::stride_of(want, want.rows());
  if (stride <= d.column) return;
  for (int64_t row = 0; row < want.rows(); ++row) {
    const double w = want.number(row * stride + d.column), h = have.number(row * stride + d.column);
    if (std::fabs(w - d.threshold) <= tolerance.atol + tolerance.rtol * std::fabs(w)) continue;
    ++out->decisions;
    if ((w >= d.threshold) != (h >= d.threshold)) ++out->flips;
  }
}

void compare_exact(const Tensor& want, const Tensor& have, Parity* out) {
  for (int64_t i = 0; i < want.elements(); ++i) {
    const auto at = static_cast<size_t>(i);
    const bool same = want.type == DataType::kBytes ? want.strings[at] == have.strings[at]
                                                    : want.number(i) == have.number(i);
    ++out->decisions;
    if (!same) ++out->flips;
  }
}

}  // namespace

Result<Parity> compare(const std::vector<Tensor>& expected, const std::vector<Tensor>& got,
                       const Tolerance& tolerance, const Decision* decision) {
  Parity out;
  for (const Tensor& want : expected) {
    const auto have = std::ranges::find(got, want.name, &Tensor::name);
    if (have == got.end()) return bad(concat({"there is no output `", want.name, "`"}));
    if (have->shape != want.shape || have->type != want.type)
      return bad(concat({"output `", want.name, "` has another shape or type"}));
    if (serving::is_real(want.type)) {
      compare_numbers(want, *have, tolerance, &out);
      if (decision != nullptr && decision->output == want.name)
        compare_decisions(want, *have, tolerance, *decision, &out);
    } else {
      if (is_number(want.type)) compare_numbers(want, *have, tolerance, &out);
      compare_exact(want, *have, &out);
    }
  }
  return out;
}

}  // namespace slip::bundle
