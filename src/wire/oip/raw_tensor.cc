#include "wire/oip/raw_tensor.h"

#include <bit>
#include <cstring>
#include <initializer_list>
#include <limits>

#include "base/text.h"

namespace slip::wire::oip {
namespace {

using serving::DataType;
using serving::Tensor;

static_assert(std::endian::native == std::endian::little);  // As raw tensors are on the wire.

constexpr size_t kLengthBytes = 4;

Error bad(const Tensor& t, std::string_view reason, std::initializer_list<std::string_view> text) {
  return invalid(reason, concat({"input '", t.name, "': ", concat(text)}));
}

Status take_texts(std::string_view raw, size_t elements, Tensor* t) {
  if (elements > raw.size() / kLengthBytes)
    return bad(*t, "tensor.size",
               {"expected ", std::to_string(elements), " string elements, ",
                std::to_string(raw.size()), " bytes can't hold them"});
  t->strings.reserve(elements);
  while (!raw.empty()) {
    uint32_t length = 0;
    if (raw.size() < kLengthBytes) return bad(*t, "tensor.size", {"a raw text is cut short"});
    std::memcpy(&length, raw.data(), kLengthBytes);
    raw.remove_prefix(kLengthBytes);
    if (raw.size() < length) return bad(*t, "tensor.size", {"a raw text is cut short"});
    if (t->strings.size() == elements)
      return bad(*t, "tensor.size",
                 {"unexpected number of string elements, expecting ", std::to_string(elements)});
    t->strings.emplace_back(raw.substr(0, length));
    raw.remove_prefix(length);
  }
  if (t->strings.size() != elements)
    return bad(*t, "tensor.size",
               {"expected ", std::to_string(elements), " string elements, got ",
                std::to_string(t->strings.size())});
  return {};
}

Status check_bools(const Tensor& t) {
  if (t.type != DataType::kBool) return {};
  for (const char c : t.data)
    if (c != 0 && c != 1) return bad(t, "tensor.value", {"a value does not fit BOOL"});
  return {};
}

}  // namespace

Result<size_t> count_input(const Tensor& t) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  int64_t n = 1;
  bool empty = false;
  for (const int64_t d : t.shape) {
    if (d < 0)
      return bad(t, "tensor.shape",
                 {"Unable to parse 'shape': attempt to access JSON non-unsigned-integer as ",
                  "unsigned-integer"});
    if (d == 0) empty = true;
    if (d > 0 && n > kMax / d)
      return bad(t, "tensor.shape",
                 {"a dimension of ", std::to_string(d),
                  " causes total element count to exceed maximum size of ", std::to_string(kMax)});
    if (d > 0) n *= d;
  }
  if (empty) n = 0;
  const auto bytes = static_cast<int64_t>(serving::data_type_bytes(t.type));
  if (bytes > 0 && n > kMax / bytes)
    return invalid("tensor.shape",
                   concat({"byte size overflow for input '", t.name, "': ", std::to_string(n),
                           " elements of ", std::to_string(bytes), " bytes"}));
  const Result<int64_t> fits = serving::count_elements(t.shape);
  if (!fits.ok()) return Error(fits.error()).within(concat({"input '", t.name, "'"}));
  return static_cast<size_t>(*fits);
}

Status check_raw_size(const Tensor& t, size_t bytes) {
  const size_t elements = TRY(count_input(t));
  const size_t wanted = elements * serving::data_type_bytes(t.type);
  if (wanted == bytes || t.type == DataType::kBytes) return {};
  return invalid("tensor.size",
                 concat({"input byte size mismatch for input '", t.name, "'. Expected ",
                         std::to_string(wanted), ", got ", std::to_string(bytes)}));
}

Status take_raw(std::string_view raw, Tensor* t) {
  if (t->type == DataType::kBytes) return take_texts(raw, TRY(count_input(*t)), t);
  TRY(check_raw_size(*t, raw.size()));
  t->data.assign(raw);
  return check_bools(*t);
}

Status take_raw(std::string&& raw, Tensor* t) {
  if (t->type == DataType::kBytes) return take_raw(std::string_view(raw), t);
  TRY(check_raw_size(*t, raw.size()));
  t->data = std::move(raw);
  return check_bools(*t);
}

size_t raw_bytes(const Tensor& t) {
  if (t.type != DataType::kBytes) return t.data.size();
  size_t bytes = t.strings.size() * kLengthBytes;
  for (const std::string& text : t.strings) bytes += text.size();
  return bytes;
}

void append_raw(std::string* out, const Tensor& t) {
  if (t.type != DataType::kBytes) {
    out->append(t.data);
    return;
  }
  for (const std::string& text : t.strings) {
    const auto length = static_cast<uint32_t>(text.size());
    out->append(reinterpret_cast<const char*>(&length), sizeof length).append(text);
  }
}

}  // namespace slip::wire::oip
