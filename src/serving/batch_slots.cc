#include "serving/batch_slots.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/text.h"

namespace slip::serving {
namespace {

size_t row_elements(const Tensor& t) {
  size_t n = 1;
  for (size_t i = 1; i < t.shape.size(); ++i) n *= static_cast<size_t>(t.shape[i]);
  return n;
}

// Of what is stored a row, whichever way.
size_t row_bytes(const Tensor& t) { return row_elements(t) * data_type_bytes(t.type); }

}  // namespace

Result<int64_t> batch_rows(std::span<const Tensor> inputs) {
  if (inputs.empty()) return invalid("batch.rows", "a request needs an input");
  for (const Tensor& t : inputs) {
    if (t.shape.empty() || t.shape.front() < 1)
      return invalid("batch.rows", concat({"input `", t.name, "` has no rows"}));
    if (t.shape.front() != inputs.front().shape.front())
      return invalid("batch.rows", concat({"inputs `", inputs.front().name, "` and `", t.name,
                                           "` have different numbers of rows"}));
  }
  return inputs.front().shape.front();
}

std::string batch_shape_key(std::span<const Tensor> inputs) {
  std::string key;
  for (const Tensor& t : inputs) {
    key += t.name;
    key += '\0';
    key += static_cast<char>(t.type);
    for (size_t i = 1; i < t.shape.size(); ++i) {
      key += std::to_string(t.shape[i]);
      key += ',';
    }
    key += ';';
  }
  return key;
}

void sort_by_name(std::vector<Tensor>* inputs) {
  const auto less = [](const Tensor& a, const Tensor& b) { return a.name < b.name; };
  if (!std::is_sorted(inputs->begin(), inputs->end(), less))
    std::stable_sort(inputs->begin(), inputs->end(), less);
}

std::vector<Tensor> slice_rows(std::span<const Tensor> of, int64_t first, int64_t rows) {
  std::vector<Tensor> out;
  out.reserve(of.size());
  for (const Tensor& t : of) {
    CHECK(!t.shape.empty() && first >= 0 && first + rows <= t.shape.front());
    Tensor& slice = out.emplace_back();
    slice.name = t.name;
    slice.type = t.type;
    slice.shape = t.shape;
    slice.shape.front() = rows;
    if (t.type == DataType::kBytes) {
      const auto each = static_cast<int64_t>(row_elements(t));
      const auto begin = t.strings.begin() + first * each;
      slice.strings.assign(begin, begin + rows * each);
    } else {
      const size_t each = row_bytes(t);
      slice.data.assign(t.data, static_cast<size_t>(first) * each,
                        static_cast<size_t>(rows) * each);
    }
  }
  return out;
}

Result<std::vector<Tensor>> join_rows(std::vector<std::vector<Tensor>> pieces) {
  CHECK(!pieces.empty());
  if (pieces.size() == 1) return std::move(pieces.front());
  for (const std::vector<Tensor>& piece : pieces)
    if (batch_shape_key(piece) != batch_shape_key(pieces.front()))
      return internal("batch.output", "the model's outputs for parts of a request do not match");
  std::vector<Tensor> out = std::move(pieces.front());
  for (size_t p = 1; p < pieces.size(); ++p) {
    for (size_t i = 0; i < out.size(); ++i) {
      Tensor& more = pieces[p][i];
      out[i].shape.front() += more.shape.front();
      out[i].data += more.data;
      out[i].strings.insert(out[i].strings.end(), std::make_move_iterator(more.strings.begin()),
                            std::make_move_iterator(more.strings.end()));
    }
  }
  return out;
}

Status check_outputs(std::span<const Tensor> outputs, int64_t rows) {
  for (const Tensor& t : outputs) {
    const auto n = static_cast<size_t>(rows);
    const bool sized = t.type == DataType::kBytes ? t.strings.size() == n * row_elements(t)
                                                  : t.data.size() == n * row_bytes(t);
    if (!t.shape.empty() && t.shape.front() == rows && sized) continue;
    return internal("batch.output",
                    concat({"output `", t.name, "` of the model hasn't one row for ",
                            "each of the ", std::to_string(rows), " it was given"}));
  }
  return {};
}

BatchSlots::BatchSlots(std::span<const Tensor> like, int64_t rows_max) : rows_max_(rows_max) {
  for (const Tensor& t : like) {
    Tensor& mine = tensors_.emplace_back();
    mine.name = t.name;
    mine.type = t.type;
    mine.shape = t.shape;
    row_bytes_.push_back(row_bytes(t));
    row_strings_.push_back(t.type == DataType::kBytes ? row_elements(t) : 0);
  }
  reset();
}

int64_t BatchSlots::rows_within(std::span<const Tensor> like, int64_t bytes) {
  size_t each = 0;
  for (const Tensor& t : like)
    each += t.type == DataType::kBytes ? row_elements(t) * sizeof(std::string) : row_bytes(t);
  return bytes / static_cast<int64_t>(std::max<size_t>(each, 1));
}

std::optional<int64_t> BatchSlots::reserve(int64_t rows) {
  if (reserved_ + rows > rows_max_) return std::nullopt;
  return std::exchange(reserved_, reserved_ + rows);
}

void BatchSlots::write(int64_t at, std::span<const Tensor> from, int64_t first, int64_t rows) {
  CHECK(from.size() == tensors_.size() && at + rows <= rows_max_);
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const auto to = static_cast<size_t>(at);
    const auto start = static_cast<size_t>(first);
    const auto n = static_cast<size_t>(rows);
    if (const size_t each = row_strings_[i]; tensors_[i].type == DataType::kBytes) {
      for (size_t s = 0; s < n * each; ++s)
        tensors_[i].strings[to * each + s] = from[i].strings[start * each + s];
    } else if (const size_t bytes = row_bytes_[i]; bytes > 0) {
      std::memcpy(tensors_[i].data.data() + to * bytes, from[i].data.data() + start * bytes,
                  n * bytes);
    }
  }
}

void BatchSlots::move(int64_t to, int64_t from, int64_t rows) {
  CHECK(to <= from && from + rows <= rows_max_);
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const auto target = static_cast<size_t>(to);
    const auto source = static_cast<size_t>(from);
    const auto n = static_cast<size_t>(rows);
    if (const size_t each = row_strings_[i]; tensors_[i].type == DataType::kBytes) {
      for (size_t s = 0; s < n * each; ++s)
        tensors_[i].strings[target * each + s] = std::move(tensors_[i].strings[source * each + s]);
    } else if (const size_t bytes = row_bytes_[i]; bytes > 0) {
      std::memmove(tensors_[i].data.data() + target * bytes,
                   tensors_[i].data.data() + source * bytes, n * bytes);
    }
  }
}

std::span<const Tensor> BatchSlots::close(int64_t rows) {
  const auto n = static_cast<size_t>(rows);
  for (size_t i = 0; i < tensors_.size(); ++i) {
    tensors_[i].shape.front() = rows;
    tensors_[i].data.resize(n * row_bytes_[i]);
    tensors_[i].strings.resize(n * row_strings_[i]);
  }
  return tensors_;
}

void BatchSlots::reset() {
  close(rows_max_);
  reserved_ = 0;
}

}  // namespace slip::serving
