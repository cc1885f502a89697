#include "wire/oip/outputs.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/text.h"
#include "wire/oip/raw_tensor.h"
#include "wire/oip/regions.h"

namespace slip::wire::oip {
namespace {

using serving::DataType;
using serving::Tensor;

template <class T>
std::string value_text(const Tensor& t, size_t index) {
  T value;
  std::memcpy(&value, t.data.data() + index * sizeof(T), sizeof(T));
  return std::to_string(value);
}

// As Triton writes them: integers whole, reals with six places.
std::string value_text(const Tensor& t, size_t index) {
  if (t.type == DataType::kUint64) return value_text<uint64_t>(t, index);
  if (t.type == DataType::kInt64) return value_text<int64_t>(t, index);
  const double value = t.number(static_cast<int64_t>(index));
  if (serving::is_real(t.type)) return std::to_string(value);
  return std::to_string(static_cast<int64_t>(value));
}

struct Scored {
  double value;
  size_t index;
};

bool ranks_before(const Scored& a, const Scored& b) {
  if (std::isnan(a.value) || std::isnan(b.value)) {
    if (std::isnan(a.value) != std::isnan(b.value)) return std::isnan(b.value);
    return a.index < b.index;
  }
  return a.value != b.value ? a.value > b.value : a.index < b.index;
}

const std::vector<std::string>* labels_of(const serving::Arm& arm, const std::string& output) {
  if (!arm.config) return nullptr;
  const auto found = arm.config->labels.find(output);
  return found == arm.config->labels.end() ? nullptr : &found->second;
}

Status place_output(const WantedOutput& wanted, ReplyOutput* out) {
  const size_t bytes = raw_bytes(out->tensor);
  if (bytes > wanted.place->bytes)
    return invalid(
        "shared_memory.size",
        concat({"shared memory size specified with the request for output '", wanted.name, "' (",
                std::to_string(wanted.place->bytes), " bytes) should be at least ",
                std::to_string(bytes), " bytes to hold the results"}));
  if (out->tensor.type == DataType::kBytes) {
    std::string raw;
    raw.reserve(bytes);
    append_raw(&raw, out->tensor);
    TRY(write_place(*wanted.place, raw));
  } else {
    TRY(write_place(*wanted.place, out->tensor.data));
  }
  out->place = wanted.place;
  out->place->bytes = bytes;
  out->tensor.data = {};
  out->tensor.strings = {};
  return {};
}

}  // namespace

Result<Tensor> classify(const Tensor& scores, const Classes& classes) {
  if (scores.type == DataType::kBytes)
    return invalid("infer.classification",
                   concat({"output '", scores.name, "' holds texts, which have no order"}));
  const bool by_row = classes.by_row && !scores.shape.empty();
  const auto elements = static_cast<size_t>(scores.elements());
  const auto rows = by_row ? static_cast<size_t>(scores.rows()) : size_t{1};
  const size_t width = rows == 0 ? 0 : elements / rows;
  const size_t wanted = std::min(static_cast<size_t>(classes.count), width);
  Tensor out;
  out.name = scores.name;
  out.type = DataType::kBytes;
  if (by_row) out.shape.push_back(static_cast<int64_t>(rows));
  out.shape.push_back(static_cast<int64_t>(wanted));
  out.strings.reserve(rows * wanted);
  std::vector<Scored> row(width);
  for (size_t r = 0; r < rows; ++r) {
    for (size_t i = 0; i < width; ++i)
      row[i] = {scores.number(static_cast<int64_t>(r * width + i)), i};
    std::partial_sort(row.begin(), row.begin() + static_cast<int64_t>(wanted), row.end(),
                      ranks_before);
    for (size_t i = 0; i < wanted; ++i) {
      const size_t index = row[i].index;
      std::string text =
          concat({value_text(scores, r * width + index), ":", std::to_string(index)});
      if (classes.labels != nullptr && index < classes.labels->size())
        text.append(":").append((*classes.labels)[index]);
      out.strings.push_back(std::move(text));
    }
  }
  return out;
}

Result<std::vector<ReplyOutput>> shape_outputs(std::vector<Tensor> outputs,
                                               const std::vector<WantedOutput>& wanted, bool binary,
                                               const serving::Arm& arm) {
  std::vector<ReplyOutput> out(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    out[i].tensor = std::move(outputs[i]);
    out[i].binary = binary;
    if (i >= wanted.size()) continue;
    out[i].binary = wanted[i].binary.value_or(binary);
    if (wanted[i].classes > 0)
      out[i].tensor = TRY(classify(out[i].tensor, {.count = wanted[i].classes,
                                                   .by_row = arm.model->signature().max_batch > 0,
                                                   .labels = labels_of(arm, wanted[i].name)}));
    if (wanted[i].place) TRY(place_output(wanted[i], &out[i]));
  }
  return out;
}

std::vector<std::string> names_of(const std::vector<WantedOutput>& wanted) {
  std::vector<std::string> out;
  out.reserve(wanted.size());
  for (const WantedOutput& w : wanted) out.push_back(w.name);
  return out;
}

}  // namespace slip::wire::oip
