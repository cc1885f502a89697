#include "codec/joined.h"

#include <algorithm>
#include <bit>
#include <memory>

#include <arrow/api.h>
#include <arrow/compute/api.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>

#include "base/guard.h"
#include "base/text.h"
#include "codec/arrow_io.h"

namespace slip::codec {
namespace {

using TablePtr = std::shared_ptr<arrow::Table>;
using arrow_io::SinkStream;
using arrow_io::SourceFile;

constexpr int64_t kDictionaryBytes = 256 << 10;  // Beyond it a column goes on without one.

void add_leaves(const parquet::arrow::SchemaField& field, std::vector<int>* out) {
  if (field.children.empty()) out->push_back(field.column_index);
  for (const auto& child : field.children) add_leaves(child, out);
}

using Chunks = std::shared_ptr<arrow::ChunkedArray>;

arrow::Result<Chunks> take_rows(const Chunks& from, const std::shared_ptr<arrow::Array>& rows) {
  ARROW_ASSIGN_OR_RAISE(const arrow::Datum out, arrow::compute::Take(from, rows));
  return out.chunked_array();
}

using Type = std::shared_ptr<arrow::DataType>;

// Arrow's Take knows no views, so those are read as the texts and bytes that they show.
Type without_views(const Type& type) {
  const auto item = [&](int i) {
    const auto& field = type->field(i);
    return field->WithType(without_views(field->type()));
  };
  switch (type->id()) {
    case arrow::Type::STRING_VIEW:
      return arrow::utf8();
    case arrow::Type::BINARY_VIEW:
      return arrow::binary();
    case arrow::Type::LIST:
      return arrow::list(item(0));
    case arrow::Type::LARGE_LIST:
      return arrow::large_list(item(0));
    case arrow::Type::FIXED_SIZE_LIST:
      return arrow::fixed_size_list(
          item(0), static_cast<const arrow::FixedSizeListType&>(*type).list_size());
    case arrow::Type::STRUCT: {
      arrow::FieldVector fields;
      for (int i = 0; i < type->num_fields(); ++i) fields.push_back(item(i));
      return arrow::struct_(std::move(fields));
    }
    default:
      return type;
  }
}

// The rows of the source that were chosen, and the place of each among them.
class Chosen {
 public:
  // `n`: the source's rows; a row beyond them is kept out (false).
  bool choose(std::span<const int64_t> rows, int64_t n) {
    words_.assign(static_cast<size_t>(n) / 64 + 1, 0);
    for (const int64_t row : rows) {
      if (row >= n) return false;
      if (row >= 0) words_[static_cast<size_t>(row) / 64] |= uint64_t{1} << (row % 64);
    }
    before_.resize(words_.size());
    uint32_t sum = 0;
    for (size_t i = 0; i < words_.size(); ++i) {
      before_[i] = sum;
      sum += static_cast<uint32_t>(std::popcount(words_[i]));
    }
    return true;
  }
  int64_t place(int64_t row) const {
    const size_t word = static_cast<size_t>(row) / 64;
    const uint64_t below = words_[word] & ((uint64_t{1} << (row % 64)) - 1);
    return int64_t{before_[word]} + std::popcount(below);
  }
  // The chosen rows of [from, to), counted from `from`.
  arrow::Result<std::shared_ptr<arrow::Array>> among(int64_t from, int64_t to) const {
    arrow::Int64Builder out;
    ARROW_RETURN_NOT_OK(out.Reserve(place(to) - place(from)));
    for (int64_t row = from; row < to;) {
      const uint64_t left = words_[static_cast<size_t>(row) / 64] >> (row % 64);
      const int64_t skip = left ? std::countr_zero(left) : 64 - row % 64;
      row += skip;
      if (!left || row >= to) continue;
      out.UnsafeAppend(row - from);
      ++row;
    }
    return out.Finish();
  }

 private:
  std::vector<uint64_t> words_;   // A bit a row.
  std::vector<uint32_t> before_;  // Chosen rows before a word.
};

class Side {
 public:
  explicit Side(ByteSource& source)
      : file_(arrow_io::open_source(source, arrow::system_memory_pool())) {}

  arrow::Status open() {
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(file_.file));
    parquet::ArrowReaderProperties properties(false);
    properties.set_pre_buffer(false);
    properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);  // As the keys are read.
    ARROW_ASSIGN_OR_RAISE(reader_, builder.properties(properties)->Build());
    return reader_->GetSchema(&schema_);
  }
  const arrow_io::Failure& failure() const { return *file_.failure; }
  const arrow::Schema& schema() const { return *schema_; }
  int groups() const { return reader_->num_row_groups(); }
  int64_t group_rows(int group) const {
    return reader_->parquet_reader()->metadata()->RowGroup(group)->num_rows();
  }
  int64_t rows() const { return reader_->parquet_reader()->metadata()->num_rows(); }
  arrow::Result<Chunks> column(int group, int field) {
    std::vector<int> leaves;
    add_leaves(reader_->manifest().schema_fields[static_cast<size_t>(field)], &leaves);
    ARROW_ASSIGN_OR_RAISE(const TablePtr read, reader_->ReadRowGroup(group, leaves));
    return read->column(0);
  }

 private:
  SourceFile file_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<arrow::Schema> schema_;
};

class JoinedWriter {
 public:
  JoinedWriter(const Joined& joined, ByteSink& sink)
      : joined_(joined), entities_(joined.entities), sink_(arrow_io::open_sink(sink)) {
    const size_t n =
        std::clamp<size_t>(joined.threads, 1, std::max<size_t>(1, joined.features.size()));
    for (size_t i = 0; i < n; ++i) sources_.push_back(std::make_unique<Side>(joined.source));
  }

  Status run() {
    TRY(checked([&] { return open(); }));
    for (const std::string& name : joined_.features) {
      fields_.push_back(sources_[0]->schema().GetFieldIndex(name));
      if (fields_.back() < 0)
        return invalid("table.column", concat({"the source has no column ", name}));
    }
    return checked([&] { return write(); });
  }

 private:
  template <class F>
  Status checked(F&& f) {
    const Result<arrow::Status> done = guarded(Code::kInvalid, "table.syntax", f);
    for (const auto* failure : {&entities_.failure(), sink_.failure.get()})
      if (*failure) return **failure;
    for (const auto& source : sources_)
      if (source->failure()) return *source->failure();
    if (!done.ok()) return done.error();
    return arrow_io::take(*done);
  }

  arrow::Status open() {
    ARROW_RETURN_NOT_OK(entities_.open());
    for (const auto& source : sources_) ARROW_RETURN_NOT_OK(source->open());
    if (!chosen_.choose(joined_.rows, sources_[0]->rows()))
      return arrow::Status::Invalid("a row lies beyond the source's end");
    int64_t first = 0;
    for (int g = 0; g < sources_[0]->groups(); ++g) {
      const int64_t end = first + sources_[0]->group_rows(g);
      ARROW_ASSIGN_OR_RAISE(wanted_.emplace_back(), chosen_.among(first, end));
      first = end;
    }
    return arrow::Status::OK();
  }

  // A feature of every row that was chosen, once, in the source's order.
  arrow::Result<Chunks> fetch(Side& source, int field) const {
    const Type type = without_views(source.schema().field(field)->type());
    arrow::ArrayVector parts;
    for (int g = 0; g < source.groups(); ++g) {
      const auto& wanted = wanted_[static_cast<size_t>(g)];
      if (wanted->length() == 0) continue;
      ARROW_ASSIGN_OR_RAISE(Chunks all, source.column(g, field));
      if (!all->type()->Equals(type)) {
        ARROW_ASSIGN_OR_RAISE(const arrow::Datum cast, arrow::compute::Cast(all, type));
        all = cast.chunked_array();
      }
      ARROW_ASSIGN_OR_RAISE(const Chunks part, take_rows(all, wanted));
      parts.insert(parts.end(), part->chunks().begin(), part->chunks().end());
    }
    if (parts.empty()) return arrow::ChunkedArray::MakeEmpty(type);
    Chunks out = std::make_shared<arrow::ChunkedArray>(std::move(parts), type);
    if (type->id() == arrow::Type::DICTIONARY) {
      ARROW_ASSIGN_OR_RAISE(out, arrow::DictionaryUnifier::UnifyChunkedArray(out));
    }
    ARROW_ASSIGN_OR_RAISE(const auto whole, arrow::Concatenate(out->chunks()));
    return std::make_shared<arrow::ChunkedArray>(whole);
  }

  // Features [from, from + a source each), at once.
  arrow::Status fetch_some(size_t from) {
    const size_t n = std::min(sources_.size(), fields_.size() - from);
    std::vector<arrow::Status> done(n);
    const auto task = [&](size_t i) {
      const Result<arrow::Status> got =
          guarded(Code::kInvalid, "table.syntax", [&]() -> arrow::Status {
            ARROW_ASSIGN_OR_RAISE(features_[from + i], fetch(*sources_[i], fields_[from + i]));
            return arrow::Status::OK();
          });
      done[i] = got.ok() ? *got : arrow::Status::Invalid(got.error().text);
    };
    n > 1 ? joined_.run(n, task) : task(0);
    for (const arrow::Status& status : done) ARROW_RETURN_NOT_OK(status);
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::Array>> places(int64_t first, int64_t n) const {
    arrow::Int64Builder out;
    ARROW_RETURN_NOT_OK(out.Reserve(n));
    for (const int64_t row :
         joined_.rows.subspan(static_cast<size_t>(first), static_cast<size_t>(n))) {
      if (row < 0)
        out.UnsafeAppendNull();
      else
        out.UnsafeAppend(chosen_.place(row));
    }
    return out.Finish();
  }

  arrow::Status open_writer() {
    arrow::FieldVector fields = entities_.schema().fields();
    for (const int at : fields_) {
      const auto& field = sources_[0]->schema().field(at);
      fields.push_back(field->WithNullable(true)->WithType(without_views(field->type())));
    }
    const auto schema = arrow::schema(std::move(fields));
    parquet::WriterProperties::Builder properties;
    properties.compression(parquet::Compression::ZSTD)->dictionary_pagesize_limit(kDictionaryBytes);
    for (const std::string& name : arrow_io::seldom_repeated(*schema))
      properties.disable_dictionary(name);
    const auto keep = parquet::ArrowWriterProperties::Builder().store_schema()->build();
    ARROW_ASSIGN_OR_RAISE(writer_,
                          parquet::arrow::FileWriter::Open(*schema, arrow::system_memory_pool(),
                                                           sink_.stream, properties.build(), keep));
    return arrow::Status::OK();
  }

  arrow::Status write() {
    features_.resize(fields_.size());
    ARROW_RETURN_NOT_OK(open_writer());
    int64_t first = 0;
    for (int g = 0; g < entities_.groups(); ++g) {
      const int64_t n = entities_.group_rows(g);
      if (first + n > static_cast<int64_t>(joined_.rows.size()))
        return arrow::Status::Invalid("the entities have more rows than before");
      ARROW_RETURN_NOT_OK(writer_->NewRowGroup());
      for (int i = 0; i < entities_.schema().num_fields(); ++i) {
        ARROW_ASSIGN_OR_RAISE(const Chunks left, entities_.column(g, i));
        ARROW_RETURN_NOT_OK(writer_->WriteColumnChunk(left));
      }
      ARROW_RETURN_NOT_OK(write_features(first, n, g + 1 == entities_.groups()));
      first += n;
    }
    return writer_->Close();
  }

  arrow::Status write_features(int64_t first, int64_t n, bool last) {
    ARROW_ASSIGN_OR_RAISE(const auto at, places(first, n));
    for (size_t f = 0; f < fields_.size(); ++f) {
      if (!features_[f]) ARROW_RETURN_NOT_OK(fetch_some(f));
      ARROW_ASSIGN_OR_RAISE(const Chunks right, take_rows(features_[f], at));
      ARROW_RETURN_NOT_OK(writer_->WriteColumnChunk(right));
      if (last) features_[f].reset();
    }
    return arrow::Status::OK();
  }

  const Joined& joined_;
  Side entities_;
  std::vector<std::unique_ptr<Side>> sources_;  // The same file, for a thread each.
  SinkStream sink_;
  std::vector<int> fields_;  // Of the source: the features.
  Chosen chosen_;
  std::vector<std::shared_ptr<arrow::Array>> wanted_;  // Of each row group of the source.
  std::vector<Chunks> features_;                       // Null: not read yet, or written.
  std::unique_ptr<parquet::arrow::FileWriter> writer_;
};

}  // namespace

Status write_joined(const Joined& joined, ByteSink& sink) {
  return JoinedWriter(joined, sink).run();
}

}  // namespace slip::codec
