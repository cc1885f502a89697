#include "features/packed.h"

#include <cstring>

#include "engine/window/bytes.h"

namespace slip::features {
namespace {

using engine::Column;
using engine::Type;
using window::put;

size_t slots_at(size_t features) { return (features + 7) / 8; }

template <class T>
T load(std::string_view bytes, size_t at) {
  T v;
  std::memcpy(&v, bytes.data() + at, sizeof(T));
  return v;
}

template <class T>
void store(std::string* out, size_t at, T v) {
  std::memcpy(out->data() + at, &v, sizeof(T));
}

// A list's items: numbers as they are, texts each with its length.
void append_items(std::string* out, const Column& items, int32_t from, int32_t to) {
  if (items.type == Type::kText || items.type == Type::kBytes) {
    for (int32_t i = from; i < to; ++i) window::put_text(*out, items.text(i));
    return;
  }
  const auto n = static_cast<size_t>(to - from);
  if (n > 0)
    out->append(static_cast<const char*>(items.data) + size_t{8} * static_cast<size_t>(from),
                n * 8);
}

Cell unpack_list(std::string_view bytes, const FeatureType& type) {
  if (type.item == Type::kText || type.item == Type::kBytes) {
    std::vector<std::string> out;
    std::string one;
    while (window::take_text(bytes, one)) out.push_back(one);
    return out;
  }
  if (type.item == Type::kDouble) {
    std::vector<double> out(bytes.size() / 8);
    if (!out.empty()) std::memcpy(out.data(), bytes.data(), out.size() * 8);
    return out;
  }
  std::vector<int64_t> out(bytes.size() / 8);
  if (!out.empty()) std::memcpy(out.data(), bytes.data(), out.size() * 8);
  return out;
}

}  // namespace

std::string pack_row(const std::vector<Column>& columns, int64_t row) {
  const size_t base = slots_at(columns.size());
  std::string out(base + columns.size() * 8, '\0');
  for (size_t i = 0; i < columns.size(); ++i) {
    const Column& c = columns[i];
    if (c.is_null(row)) continue;
    out[i / 8] = static_cast<char>(out[i / 8] | (1 << (i % 8)));
    const size_t slot = base + i * 8;
    switch (c.type) {
      case Type::kBool:
        store<int64_t>(&out, slot, c.boolean(row) ? 1 : 0);
        break;
      case Type::kInt64:
      case Type::kTimestampUs:
        store(&out, slot, c.i64(row));
        break;
      case Type::kDouble:
        store(&out, slot, c.f64(row));
        break;
      default: {
        const auto at = static_cast<uint32_t>(out.size());
        if (c.type == Type::kList)
          append_items(&out, *c.child, c.offsets[row], c.offsets[row + 1]);
        else
          out.append(c.text(row));
        store(&out, slot, at);
        store(&out, slot + 4, static_cast<uint32_t>(out.size()) - at);
      }
    }
  }
  return out;
}

bool packed_whole(std::string_view packed, std::span<const FeatureField> features) {
  const size_t base = slots_at(features.size());
  if (packed.size() < base + features.size() * 8) return false;
  for (size_t i = 0; i < features.size(); ++i) {
    if (!(static_cast<uint8_t>(packed[i / 8]) >> (i % 8) & 1)) continue;
    const FeatureType& type = features[i].type;
    const bool text = type.type == Type::kText || type.type == Type::kBytes;
    if (!text && type.type != Type::kList) continue;
    const size_t at = load<uint32_t>(packed, base + i * 8);
    const size_t n = load<uint32_t>(packed, base + i * 8 + 4);
    if (at > packed.size() || n > packed.size() - at) return false;
  }
  return true;
}

Cell unpack_cell(std::string_view packed, size_t features, size_t i, const FeatureType& type) {
  if (!(static_cast<uint8_t>(packed[i / 8]) >> (i % 8) & 1)) return {};
  const size_t slot = slots_at(features) + i * 8;
  switch (type.type) {
    case Type::kBool:
      return load<int64_t>(packed, slot) != 0;
    case Type::kInt64:
    case Type::kTimestampUs:
      return load<int64_t>(packed, slot);
    case Type::kDouble:
      return load<double>(packed, slot);
    default:
      break;
  }
  const std::string_view bytes =
      packed.substr(load<uint32_t>(packed, slot), load<uint32_t>(packed, slot + 4));
  if (type.type == Type::kList) return unpack_list(bytes, type);
  return std::string(bytes);
}

std::optional<std::vector<Cell>> cells_of_key(std::string_view in) {
  std::vector<Cell> out;
  while (!in.empty()) {
    uint8_t kind = 0;
    uint8_t flag = 0;
    Cell& cell = out.emplace_back();
    bool whole = window::take(in, kind);
    if (kind == 1)
      whole = whole && window::take(in, cell.emplace<int64_t>());
    else if (kind == 2)
      whole = whole && window::take_text(in, cell.emplace<std::string>());
    else
      whole = whole && kind == 3 && window::take(in, flag);
    if (!whole) return std::nullopt;
    if (kind == 3) cell = flag != 0;
  }
  return out;
}

bool append_key(std::string* out, const Cell& cell) {
  if (const auto* i = std::get_if<int64_t>(&cell)) {
    put<uint8_t>(*out, 1);
    put(*out, *i);
    return true;
  }
  if (const auto* s = std::get_if<std::string>(&cell)) {
    put<uint8_t>(*out, 2);
    window::put_text(*out, *s);
    return true;
  }
  if (const auto* b = std::get_if<bool>(&cell)) {
    put<uint8_t>(*out, 3);
    put<uint8_t>(*out, *b ? 1 : 0);
    return true;
  }
  return false;
}

bool append_key(std::string* out, const Column& column, int64_t row) {
  if (column.is_null(row)) return false;
  if (column.type == Type::kBool) {
    put<uint8_t>(*out, 3);
    put<uint8_t>(*out, column.boolean(row) ? 1 : 0);
    return true;
  }
  if (column.type == Type::kText || column.type == Type::kBytes) {
    put<uint8_t>(*out, 2);
    window::put_text(*out, column.text(row));
    return true;
  }
  put<uint8_t>(*out, 1);
  put(*out, column.i64(row));
  return true;
}

std::optional<std::string> key_at(std::span<const Column> keys, int64_t row) {
  std::string out;
  for (const Column& k : keys)
    if (!append_key(&out, k, row)) return std::nullopt;
  return out;
}

std::optional<std::string> key_at(std::span<const engine::Values> keys, int64_t row) {
  std::string out;
  for (const engine::Values& k : keys)
    if (!append_key(&out, k.view(), row)) return std::nullopt;
  return out;
}

}  // namespace slip::features
