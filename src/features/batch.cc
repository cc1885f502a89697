#include "features/batch.h"

#include "engine/window/bytes.h"

namespace slip::features {
namespace {

using engine::Column;
using engine::Type;
using engine::Values;
using window::put;
using window::put_text;
using window::take;
using window::take_text;

constexpr uint8_t kFormat = 1;

Error broken() { return corrupt("feature.record", "a record of arrivals is damaged"); }

size_t words_of(Type type) { return type == Type::kBool ? 0 : 8; }

bool spans(Type type) { return type == Type::kText || type == Type::kBytes || type == Type::kList; }

void put_raw(std::string& out, const void* data, size_t n) {
  out.append(static_cast<const char*>(data), n);
}

void put_column(std::string& out, const Column& c) {
  const auto n = static_cast<size_t>(c.n);
  put<uint8_t>(out, c.validity != nullptr ? 1 : 0);
  if (c.validity != nullptr) put_raw(out, c.validity, (n + 7) / 8);
  if (!spans(c.type)) {
    if (n > 0) put_raw(out, c.data, c.type == Type::kBool ? (n + 7) / 8 : n * words_of(c.type));
    return;
  }
  if (n == 0) return;
  put_raw(out, c.offsets, (n + 1) * sizeof(int32_t));
  if (c.type == Type::kList)
    put_column(out, *c.child);
  else
    put_raw(out, c.data, static_cast<size_t>(c.offsets[n]));
}

bool cut(std::string_view& in, size_t n, std::string_view* out) {
  if (in.size() < n) return false;
  *out = in.substr(0, n);
  in.remove_prefix(n);
  return true;
}

template <class T>
T word_at(std::string_view bytes, size_t i) {
  T v;
  std::memcpy(&v, bytes.data() + i * sizeof(T), sizeof(T));
  return v;
}

bool take_column(std::string_view& in, int64_t rows, Values* out);

bool take_spans(std::string_view& in, int64_t rows, std::string_view validity, Values* out) {
  if (rows == 0) return true;
  const auto n = static_cast<size_t>(rows);
  std::string_view offsets;
  if (!cut(in, (n + 1) * sizeof(int32_t), &offsets)) return false;
  const auto at = [&](size_t i) { return word_at<int32_t>(offsets, i); };
  if (at(0) != 0) return false;
  for (size_t i = 0; i < n; ++i)
    if (at(i + 1) < at(i)) return false;
  const auto null = [&](size_t i) {
    return !validity.empty() && !(static_cast<uint8_t>(validity[i / 8]) >> (i % 8) & 1);
  };
  if (out->type() != Type::kList) {
    std::string_view bytes;
    if (!cut(in, static_cast<size_t>(at(n)), &bytes)) return false;
    for (size_t i = 0; i < n; ++i) {
      const auto from = static_cast<size_t>(at(i));
      null(i) ? out->add_null()
              : out->add_text(bytes.substr(from, static_cast<size_t>(at(i + 1)) - from));
    }
    return true;
  }
  Values items(out->items().type());
  if (!take_column(in, at(n), &items)) return false;
  const Column c = items.view();
  for (size_t i = 0; i < n; ++i) {
    for (int32_t k = at(i); k < at(i + 1); ++k) out->items().add_from(c, k);
    null(i) ? out->add_null() : out->end_list();
  }
  return true;
}

bool take_column(std::string_view& in, int64_t rows, Values* out) {
  const auto n = static_cast<size_t>(rows);
  uint8_t has_nulls = 0;
  std::string_view validity;
  if (!take(in, has_nulls) || has_nulls > 1) return false;
  if (has_nulls == 1 && !cut(in, (n + 7) / 8, &validity)) return false;
  if (spans(out->type())) return take_spans(in, rows, validity, out);
  std::string_view data;
  const bool bits = out->type() == Type::kBool;
  if (!cut(in, bits ? (n + 7) / 8 : n * 8, &data)) return false;
  for (size_t i = 0; i < n; ++i) {
    if (!validity.empty() && !(static_cast<uint8_t>(validity[i / 8]) >> (i % 8) & 1))
      out->add_null();
    else if (bits)
      out->add_bool(static_cast<uint8_t>(data[i / 8]) >> (i % 8) & 1);
    else if (out->type() == Type::kDouble)
      out->add_f64(word_at<double>(data, i));
    else
      out->add_i64(word_at<int64_t>(data, i));
  }
  return true;
}

bool take_type(std::string_view& in, FeatureType* type) {
  uint8_t kind = 0;
  uint8_t item = 0;
  uint8_t bits = 0;
  if (!take(in, kind) || !take(in, item) || !take(in, bits)) return false;
  constexpr auto kLast = static_cast<uint8_t>(Type::kList);
  if (kind > kLast || item >= kLast || bits > 3) return false;
  type->type = static_cast<Type>(kind);
  type->item = static_cast<Type>(item);
  type->narrow = bits & 1;
  type->flags = bits & 2;
  return true;
}

void put_marks(std::string& out, const std::vector<StreamMark>& marks) {
  put(out, static_cast<uint32_t>(marks.size()));
  for (const StreamMark& m : marks) {
    put_text(out, m.topic);
    put(out, m.partition);
    put(out, m.from);
    put(out, m.next);
    put(out, m.last);
    put(out, m.print);
    put<uint8_t>(out, m.moved ? 1 : 0);
  }
}

bool take_marks(std::string_view& in, std::vector<StreamMark>* out) {
  uint32_t n = 0;
  if (!take(in, n)) return false;
  for (uint32_t i = 0; i < n; ++i) {
    StreamMark m;
    uint8_t moved = 0;
    if (!take_text(in, m.topic) || !take(in, m.partition) || !take(in, m.from) ||
        !take(in, m.next) || !take(in, m.last) || !take(in, m.print) || !take(in, moved))
      return false;
    m.moved = moved != 0;
    out->push_back(std::move(m));
  }
  return true;
}

bool take_batch(std::string_view in, Batch* out) {
  uint8_t format = 0;
  uint8_t to = 0;
  uint8_t parts = 0;
  int64_t rows = 0;
  uint32_t columns = 0;
  if (!take(in, format) || format != kFormat || !take(in, to) || to < 1 || to > 3) return false;
  if (!take(in, parts) || !take(in, rows) || rows < 0 || rows > (int64_t{1} << 31)) return false;
  out->to = static_cast<To>(to);
  if (!take(in, out->ingest_us) || !take(in, out->first_seq) || !take_text(in, out->project) ||
      !take_text(in, out->source) || !take_text(in, out->view) || !take(in, columns))
    return false;
  for (uint32_t i = 0; i < columns; ++i) {
    FeatureField& f = out->schema.emplace_back();
    if (!take_text(in, f.name) || !take_type(in, &f.type)) return false;
    if (!take_column(in, rows, &out->columns.emplace_back(values_for(f.type)))) return false;
  }
  if (!take_column(in, rows, &out->event) || !take_column(in, rows, &out->created)) return false;
  if ((parts & 1) != 0 && !take_column(in, rows, &out->deleted)) return false;
  if ((parts & 2) != 0 && (!take_column(in, rows, &out->seqs.emplace(Type::kInt64)) ||
                           !take_column(in, rows, &out->ingested.emplace(Type::kTimestampUs))))
    return false;
  if ((parts & 4) != 0 && !take_marks(in, &out->marks)) return false;
  return parts < 8 && in.empty();
}

}  // namespace

int64_t Batch::created_at(int64_t row) const {
  const Column c = created.view();
  return c.is_null(row) ? ingest(row) : c.i64(row);
}

bool Batch::is_deleted(int64_t row) const {
  return deleted.size() > row && deleted.view().boolean(row);
}

const Values* Batch::find(std::string_view column) const {
  for (size_t i = 0; i < schema.size(); ++i)
    if (schema[i].name == column) return &columns[i];
  return nullptr;
}

Batch make_batch(std::vector<FeatureField> schema) {
  Batch out;
  for (const FeatureField& f : schema) out.columns.push_back(values_for(f.type));
  out.schema = std::move(schema);
  return out;
}

std::vector<Values> columns_as(const Batch& batch, const std::vector<FeatureField>& wanted) {
  std::vector<Values> out;
  for (const FeatureField& f : wanted) {
    Values values = values_for(f.type);
    const Values* found = batch.find(f.name);
    if (found != nullptr && found->type() == f.type.type) {
      out.push_back(*found);
      continue;
    }
    for (int64_t i = 0; i < batch.rows(); ++i) {
      Result<Cell> cell =
          found == nullptr ? Result<Cell>(Cell()) : fit(cell_at(found->view(), i), f.type);
      add_cell(&values, cell.ok() ? *cell : Cell());
    }
    out.push_back(std::move(values));
  }
  return out;
}

Batch rows_that_stay(const Batch& b, const std::vector<bool>& drop) {
  Batch out = make_batch(b.schema);
  out.project = b.project;
  out.source = b.source;
  out.view = b.view;
  out.to = b.to;
  out.seqs.emplace(engine::Type::kInt64);
  out.ingested.emplace(engine::Type::kTimestampUs);
  for (int64_t i = 0; i < b.rows(); ++i) {
    if (drop[static_cast<size_t>(i)]) continue;
    for (size_t c = 0; c < out.columns.size(); ++c) out.columns[c].add_from(b.columns[c].view(), i);
    out.event.add_i64(b.event.view().i64(i));
    out.created.add_from(b.created.view(), i);
    out.deleted.add_bool(b.is_deleted(i));
    out.seqs->add_i64(b.seq(i));
    out.ingested->add_i64(b.ingest(i));
  }
  return out;
}

std::string encode_batch(const Batch& b) {
  std::string out;
  put(out, kFormat);
  put(out, static_cast<uint8_t>(b.to));
  put<uint8_t>(out, static_cast<uint8_t>((b.deleted.size() > 0 ? 1 : 0) | (b.seqs ? 2 : 0) |
                                         (b.marks.empty() ? 0 : 4)));
  put(out, b.rows());
  put(out, b.ingest_us);
  put(out, b.first_seq);
  put_text(out, b.project);
  put_text(out, b.source);
  put_text(out, b.view);
  put(out, static_cast<uint32_t>(b.schema.size()));
  for (size_t i = 0; i < b.schema.size(); ++i) {
    put_text(out, b.schema[i].name);
    const FeatureType& t = b.schema[i].type;
    put(out, static_cast<uint8_t>(t.type));
    put(out, static_cast<uint8_t>(t.item));
    put<uint8_t>(out, static_cast<uint8_t>((t.narrow ? 1 : 0) | (t.flags ? 2 : 0)));
    put_column(out, b.columns[i].view());
  }
  put_column(out, b.event.view());
  put_column(out, b.created.view());
  if (b.deleted.size() > 0) put_column(out, b.deleted.view());
  if (b.seqs) {
    put_column(out, b.seqs->view());
    put_column(out, b.ingested->view());
  }
  if (!b.marks.empty()) put_marks(out, b.marks);
  return out;
}

Result<Batch> decode_batch(std::string_view bytes) {
  Batch out;
  if (!take_batch(bytes, &out)) return broken();
  return out;
}

}  // namespace slip::features
