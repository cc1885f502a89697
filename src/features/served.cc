#include "features/served.h"

#include <bit>

#include "base/version.h"
#include "codec/hash.h"
#include "engine/window/bytes.h"
#include "features/packed.h"

namespace slip::features {
namespace {

using window::put;
using window::put_text;
using window::take;
using window::take_text;

constexpr uint8_t kFormat = 1;
constexpr uint32_t kCellsMax = 1 << 16;  // Of one list.

// A cell: its kind (the index in the variant), then its bytes.
struct CellWriter {
  std::string& out;
  void operator()(std::monostate) const {}
  void operator()(bool v) const { put<uint8_t>(out, v ? 1 : 0); }
  void operator()(int64_t v) const { put(out, v); }
  void operator()(double v) const { put(out, v); }
  void operator()(const std::string& v) const { put_text(out, v); }
  template <class T>
  void operator()(const std::vector<T>& v) const {
    put(out, static_cast<uint32_t>(v.size()));
    for (const T& one : v) (*this)(one);
  }
};

void put_cells(std::string& out, const std::vector<Cell>& cells) {
  put(out, static_cast<uint32_t>(cells.size()));
  for (const Cell& cell : cells) {
    put(out, static_cast<uint8_t>(cell.index()));
    std::visit(CellWriter{out}, cell);
  }
}

bool take_value(std::string_view& in, bool& v) {
  uint8_t byte = 0;
  if (!take(in, byte) || byte > 1) return false;
  v = byte == 1;
  return true;
}
bool take_value(std::string_view& in, int64_t& v) { return take(in, v); }
bool take_value(std::string_view& in, double& v) { return take(in, v); }
bool take_value(std::string_view& in, std::string& v) { return take_text(in, v); }
template <class T>
bool take_value(std::string_view& in, std::vector<T>& v) {
  uint32_t n = 0;
  if (!take(in, n)) return false;
  for (uint32_t i = 0; i < n; ++i)
    if (!take_value(in, v.emplace_back())) return false;  // Ends with the bytes, whatever n says.
  return true;
}

template <class T>
bool take_as(std::string_view& in, Cell& cell) {
  return take_value(in, cell.emplace<T>());
}

bool take_cell(std::string_view& in, Cell& cell) {
  uint8_t kind = 0;
  if (!take(in, kind)) return false;
  switch (kind) {
    case 0:
      return true;
    case 1:
      return take_as<bool>(in, cell);
    case 2:
      return take_as<int64_t>(in, cell);
    case 3:
      return take_as<double>(in, cell);
    case 4:
      return take_as<std::string>(in, cell);
    case 5:
      return take_as<std::vector<int64_t>>(in, cell);
    case 6:
      return take_as<std::vector<double>>(in, cell);
    case 7:
      return take_as<std::vector<std::string>>(in, cell);
    default:
      return false;
  }
}

bool take_cells(std::string_view& in, std::vector<Cell>& cells) {
  uint32_t n = 0;
  if (!take(in, n) || n > kCellsMax) return false;
  for (uint32_t i = 0; i < n; ++i)
    if (!take_cell(in, cells.emplace_back())) return false;
  return true;
}

bool take_vector(std::string_view in, ServedVector* out) {
  uint8_t format = 0;
  if (!take(in, format) || format != kFormat || !take_text(in, out->project) ||
      !take_text(in, out->service) || !take(in, out->service_version) ||
      !take(in, out->served_us) || !take(in, out->applied_seq) || !take_value(in, out->settled) ||
      !take(in, out->shape) || !take(in, out->engine))
    return false;
  if (!take_cells(in, out->keys) || !take_cells(in, out->request) || !take_cells(in, out->values))
    return false;
  for (size_t i = 0; i < out->values.size(); ++i) {
    uint8_t status = 0;
    if (!take(in, status) || status > static_cast<uint8_t>(ReadStatus::kOutsideMaxAge) ||
        !take(in, out->event_us.emplace_back()))
      return false;
    out->statuses.push_back(static_cast<ReadStatus>(status));
  }
  return in.empty();
}

}  // namespace

std::string encode_served(const ServedVector& v) {
  std::string out;
  put(out, kFormat);
  put_text(out, v.project);
  put_text(out, v.service);
  put(out, v.service_version);
  put(out, v.served_us);
  put(out, v.applied_seq);
  put<uint8_t>(out, v.settled ? 1 : 0);
  put(out, v.shape);
  put(out, v.engine);
  put_cells(out, v.keys);
  put_cells(out, v.request);
  put_cells(out, v.values);
  for (size_t i = 0; i < v.values.size(); ++i) {
    put(out, static_cast<uint8_t>(v.statuses[i]));
    put(out, v.event_us[i]);
  }
  return out;
}

Result<ServedVector> decode_served(std::string_view bytes) {
  ServedVector out;
  if (!take_vector(bytes, &out))
    return corrupt("feature.served", "a record of served features is damaged");
  return out;
}

uint64_t engine_fingerprint() {
  static const uint64_t made = codec::xxh3(kVersion);
  return made;
}

bool sampled(const std::vector<Cell>& keys, double part) {
  if (part >= 1) return true;
  std::string bytes;
  for (const Cell& cell : keys) append_key(&bytes, cell);
  constexpr double kScale = 1.0 / 18446744073709551616.0;  // 2^-64
  return static_cast<double>(codec::xxh3(bytes)) * kScale < part;
}

bool same_bits(const Cell& a, const Cell& b) {
  if (a.index() != b.index()) return false;
  const auto bits = [](double v) { return std::bit_cast<uint64_t>(v); };
  if (const double* x = std::get_if<double>(&a)) return bits(*x) == bits(std::get<double>(b));
  if (const auto* x = std::get_if<std::vector<double>>(&a)) {
    const auto& y = std::get<std::vector<double>>(b);
    if (x->size() != y.size()) return false;
    for (size_t i = 0; i < y.size(); ++i)
      if (bits((*x)[i]) != bits(y[i])) return false;
    return true;
  }
  return a == b;
}

}  // namespace slip::features
