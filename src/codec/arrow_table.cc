#include <algorithm>

#include <arrow/api.h>
#include <arrow/extension_type.h>
#include <arrow/ipc/reader.h>
#include <arrow/util/float16.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>

#include "base/guard.h"
#include "base/text.h"
#include "codec/arrow_io.h"
#include "codec/json.h"
#include "codec/table_internal.h"

// Reading Parquet and Arrow IPC streams. Arrow's threads are never started, and its memory for one
// file is capped, so that a file cannot ask for more than it is worth.
namespace slip::codec {
namespace {

using arrow_io::kArrowBytesMax;
using arrow_io::SourceFile;
using arrow_io::take;

// Beneath a dictionary or a name that somebody gave to a type (a UUID).
const arrow::DataType* plain_type(const arrow::DataType* type) {
  if (type->id() == arrow::Type::DICTIONARY)
    return plain_type(static_cast<const arrow::DictionaryType&>(*type).value_type().get());
  if (type->id() == arrow::Type::EXTENSION)
    return plain_type(static_cast<const arrow::ExtensionType&>(*type).storage_type().get());
  return type;
}

constexpr int kNestingMax = 16;
constexpr size_t kJsonBytesMax = 256 << 20;  // Of a nested column in a batch.
constexpr int64_t kNothingsMax = 1 << 20;    // Nulls of no type in one value take no room.

bool has_items(const arrow::DataType& type) {
  return type.id() == arrow::Type::LIST || type.id() == arrow::Type::LARGE_LIST ||
         type.id() == arrow::Type::FIXED_SIZE_LIST || type.id() == arrow::Type::STRUCT ||
         type.id() == arrow::Type::MAP;
}

bool is_item(const arrow::DataType& type, int depth = 0) {
  if (arrow::is_integer(type.id()) || arrow::is_floating(type.id()) ||
      arrow::is_base_binary_like(type.id()) || type.id() == arrow::Type::STRING_VIEW ||
      type.id() == arrow::Type::BOOL || type.id() == arrow::Type::NA)
    return true;
  if (!has_items(type) || depth == kNestingMax) return false;
  if (type.id() == arrow::Type::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(type);
    return arrow::is_string(map.key_type()->id()) && is_item(*map.item_type(), depth + 1);
  }
  return std::ranges::all_of(type.fields(),
                             [&](const auto& field) { return is_item(*field->type(), depth + 1); });
}

Field to_field(const arrow::Field& from, const ReadOptions& options) {
  Field out;
  out.name = from.name();
  out.type_name = from.type()->ToString();
  out.nullable = from.nullable();
  const arrow::DataType* type = plain_type(from.type().get());
  switch (type->id()) {
    case arrow::Type::BOOL:
      out.type = ColumnType::kBool;
      break;
    case arrow::Type::INT8:
    case arrow::Type::INT16:
    case arrow::Type::INT32:
    case arrow::Type::INT64:
    case arrow::Type::UINT8:
    case arrow::Type::UINT16:
    case arrow::Type::UINT32:
    case arrow::Type::UINT64:
      out.type = ColumnType::kInt64;
      break;
    case arrow::Type::HALF_FLOAT:
    case arrow::Type::FLOAT:
    case arrow::Type::DOUBLE:
      out.type = ColumnType::kDouble;
      break;
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      out.type = ColumnType::kText;
      break;
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
    case arrow::Type::FIXED_SIZE_BINARY:
      out.type = ColumnType::kBytes;
      break;
    case arrow::Type::TIMESTAMP:
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      out.type = ColumnType::kTimestampUs;
      break;
    case arrow::Type::NA:
      out.type = ColumnType::kText;
      break;
    case arrow::Type::DECIMAL32:
    case arrow::Type::DECIMAL64:
    case arrow::Type::DECIMAL128:
    case arrow::Type::DECIMAL256:
      out.type = ColumnType::kText;
      out.readable = options.decimals;
      break;
    case arrow::Type::LIST:
    case arrow::Type::LARGE_LIST:
    case arrow::Type::FIXED_SIZE_LIST:
    case arrow::Type::STRUCT:
    case arrow::Type::MAP:
      out.type = ColumnType::kText;
      out.readable = options.nested && is_item(*type);
      break;
    default:
      out.readable = false;
  }
  return out;
}

// How many microseconds a unit of `type` is; nanoseconds are refused where they do not divide.
struct Unit {
  int64_t times = 1;
  int64_t divided_by = 1;
};
Unit unit_of(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DATE32) return {86'400'000'000, 1};
  if (type.id() == arrow::Type::DATE64) return {1000, 1};
  switch (static_cast<const arrow::TimestampType&>(type).unit()) {
    case arrow::TimeUnit::SECOND:
      return {1'000'000, 1};
    case arrow::TimeUnit::MILLI:
      return {1000, 1};
    case arrow::TimeUnit::MICRO:
      return {1, 1};
    case arrow::TimeUnit::NANO:
      return {1, 1000};
  }
  return {};
}

// Appends an Arrow array to a column, value by value.
class Appender {
 public:
  struct How {
    bool nanoseconds = false;
    bool bits = false;  // uint64 as its 64 bits.
  };
  Appender(Column* out, int64_t first_row, How how) : out_(out), first_row_(first_row), how_(how) {}

  Status append(const arrow::Array& from) {
    using arrow::Type;
    switch (from.type_id()) {
      case Type::NA:
        return each(from, [&](int64_t) { return null(); });
      case Type::BOOL:
        return bools(static_cast<const arrow::BooleanArray&>(from));
      case Type::INT8:
        return integers<arrow::Int8Array>(from);
      case Type::INT16:
        return integers<arrow::Int16Array>(from);
      case Type::INT32:
        return integers<arrow::Int32Array>(from);
      case Type::INT64:
        return integers<arrow::Int64Array>(from);
      case Type::UINT8:
        return integers<arrow::UInt8Array>(from);
      case Type::UINT16:
        return integers<arrow::UInt16Array>(from);
      case Type::UINT32:
        return integers<arrow::UInt32Array>(from);
      case Type::UINT64:
        return integers<arrow::UInt64Array>(from);
      case Type::HALF_FLOAT:
        return halves(static_cast<const arrow::HalfFloatArray&>(from));
      case Type::FLOAT:
        return reals<arrow::FloatArray>(from);
      case Type::DOUBLE:
        return reals<arrow::DoubleArray>(from);
      case Type::STRING:
        return texts<arrow::StringArray>(from);
      case Type::LARGE_STRING:
        return texts<arrow::LargeStringArray>(from);
      case Type::STRING_VIEW:
        return texts<arrow::StringViewArray>(from);
      case Type::BINARY_VIEW:
        return texts<arrow::BinaryViewArray>(from);
      case Type::BINARY:
        return texts<arrow::BinaryArray>(from);
      case Type::LARGE_BINARY:
        return texts<arrow::LargeBinaryArray>(from);
      case Type::FIXED_SIZE_BINARY:
        return texts<arrow::FixedSizeBinaryArray>(from);
      case Type::TIMESTAMP:
        return times<arrow::TimestampArray>(from);
      case Type::DATE32:
        return times<arrow::Date32Array>(from);
      case Type::DATE64:
        return times<arrow::Date64Array>(from);
      case Type::DECIMAL32:
        return decimals<arrow::Decimal32Array>(from);
      case Type::DECIMAL64:
        return decimals<arrow::Decimal64Array>(from);
      case Type::DECIMAL128:
        return decimals<arrow::Decimal128Array>(from);
      case Type::DECIMAL256:
        return decimals<arrow::Decimal256Array>(from);
      case Type::EXTENSION:
        return append(*static_cast<const arrow::ExtensionArray&>(from).storage());
      case Type::DICTIONARY:
        return dictionary(static_cast<const arrow::DictionaryArray&>(from));
      default:
        return append_nested(from);
    }
  }

 private:
  Status null() {
    out_->add_null();
    return {};
  }
  Error at_row(int64_t i, std::string_view what) const {
    return invalid("table.range", concat({"row ", std::to_string(first_row_ + i + 1), ": ", what}));
  }
  Status words(const void* from, int64_t n) {
    out_->add_words(from, n);
    return {};
  }
  template <class F>
  Status each(const arrow::Array& from, F&& add) {
    for (int64_t i = 0; i < from.length(); ++i) TRY(from.IsNull(i) ? null() : add(i));
    return {};
  }
  Status bools(const arrow::BooleanArray& from) {
    return each(from, [&](int64_t i) -> Status {
      out_->add_bool(from.Value(i));
      return {};
    });
  }
  template <class A>
  Status integers(const arrow::Array& any) {
    const A& from = static_cast<const A&>(any);
    if constexpr (std::is_same_v<A, arrow::Int64Array>)
      if (any.null_count() == 0) return words(from.raw_values(), any.length());
    return each(any, [&](int64_t i) -> Status {
      const auto v = from.Value(i);
      if (!how_.bits && !std::in_range<int64_t>(v))
        return at_row(i, "the number is beyond a signed 64-bit one");
      out_->add_i64(static_cast<int64_t>(v));
      return {};
    });
  }
  template <class A>
  Status reals(const arrow::Array& any) {
    const A& from = static_cast<const A&>(any);
    if constexpr (std::is_same_v<A, arrow::DoubleArray>)
      if (any.null_count() == 0) return words(from.raw_values(), any.length());
    return each(any, [&](int64_t i) -> Status {
      out_->add_f64(static_cast<double>(from.Value(i)));
      return {};
    });
  }
  Status halves(const arrow::HalfFloatArray& from) {
    return each(from, [&](int64_t i) -> Status {
      out_->add_f64(arrow::util::Float16::FromBits(from.Value(i)).ToDouble());
      return {};
    });
  }
  template <class A>
  Status decimals(const arrow::Array& any) {
    const A& from = static_cast<const A&>(any);
    return each(any, [&](int64_t i) -> Status {
      std::string text = from.FormatValue(i);
      if (text.find('E') != text.npos) return at_row(i, "the decimal is too long");
      if (text.find('.') != text.npos) {
        text.erase(text.find_last_not_of('0') + 1);
        if (text.back() == '.') text.pop_back();
      }
      out_->add_text(text == "-0" ? "0" : text);
      return {};
    });
  }
  Status append_nested(const arrow::Array& from) {
    using arrow::Type;
    switch (from.type_id()) {
      case Type::LIST:
        return lists<arrow::ListArray>(from);
      case Type::LARGE_LIST:
        return lists<arrow::LargeListArray>(from);
      case Type::FIXED_SIZE_LIST:
        return lists<arrow::FixedSizeListArray>(from);
      case Type::STRUCT:
        return structs(static_cast<const arrow::StructArray&>(from));
      case Type::MAP:
        return maps(static_cast<const arrow::MapArray&>(from));
      default:
        return unsupported("table.unsupported", "type " + from.type()->ToString() + " is not read");
    }
  }

  struct Items {  // Of a nested column: a column of their own.
    Column column;
    bool json = false;  // Nested again: its texts are.
  };
  Result<Items> items_of(const arrow::Array& from, const arrow::Field& field) const {
    Items out;
    if (from.type_id() == arrow::Type::NA && from.length() > kNothingsMax)
      return exhausted("table.too_large", "a list of too many nulls");
    out.column.type = to_field(field, {}).type;
    out.json = has_items(*field.type());
    if (out.column.type == ColumnType::kText || out.column.type == ColumnType::kBytes)
      out.column.offsets.push_back(0);
    TRY(Appender(&out.column, first_row_, how_).append(from));
    return out;
  }
  // A field's name comes with each row, so little can become much.
  Status put_json(std::string_view text) {
    if (text.size() + out_->data.size() > kJsonBytesMax)
      return exhausted("table.too_large", "a batch holds too much in nested columns");
    out_->add_text(text);
    return {};
  }
  template <class A>
  Status lists(const arrow::Array& any) {
    const A& from = static_cast<const A&>(any);
    return each(any, [&](int64_t i) -> Status {
      const Items items = TRY(items_of(*from.value_slice(i), *any.type()->field(0)));
      std::string text = "[";
      for (int64_t k = 0; k < items.column.n && text.size() <= kJsonBytesMax; ++k) {
        if (k > 0) text += ',';
        put_item(items, k, &text);
      }
      return put_json(text + "]");
    });
  }
  Status structs(const arrow::StructArray& from) {
    std::vector<Items> members;
    for (int f = 0; f < from.num_fields(); ++f)
      members.push_back(TRY(items_of(*from.field(f), *from.type()->field(f))));
    return each(from, [&](int64_t i) -> Status {
      std::string text = "{";
      for (size_t f = 0; f < members.size(); ++f) {
        if (f > 0) text += ',';
        append_json_string(&text, from.type()->field(static_cast<int>(f))->name());
        text += ':';
        put_item(members[f], i, &text);
      }
      return put_json(text + "}");
    });
  }
  Status maps(const arrow::MapArray& from) {
    const auto& type = static_cast<const arrow::MapType&>(*from.type());
    const int64_t base = from.length() == 0 ? 0 : from.value_offset(0);
    const int64_t n = from.length() == 0 ? 0 : from.value_offset(from.length()) - base;
    const Items keys = TRY(items_of(*from.keys()->Slice(base, n), *type.key_field()));
    const Items values = TRY(items_of(*from.items()->Slice(base, n), *type.item_field()));
    return each(from, [&](int64_t i) -> Status {
      std::string text = "{";
      const int64_t first = from.value_offset(i) - base;
      const int64_t last = from.value_offset(i + 1) - base;
      for (int64_t k = first; k < last && text.size() <= kJsonBytesMax; ++k) {
        if (k > first) text += ',';
        append_json_string(&text, keys.column.text(k));
        text += ':';
        put_item(values, k, &text);
      }
      return put_json(text + "}");
    });
  }
  static void put_item(const Items& items, int64_t k, std::string* out) {
    const Column& column = items.column;
    if (column.is_null(k)) {
      *out += "null";
    } else if (column.type == ColumnType::kBool) {
      *out += column.boolean(k) ? "true" : "false";
    } else if (column.type == ColumnType::kInt64) {
      append_json_int(out, column.i64(k));
    } else if (column.type == ColumnType::kDouble) {
      append_json_double(out, column.f64(k), NonFinite::kToken);
    } else if (items.json) {
      *out += column.text(k);
    } else if (column.type == ColumnType::kBytes) {
      append_json_string(out, to_base64(column.text(k)));
    } else {
      append_json_string(out, column.text(k));
    }
  }
  template <class A>
  Status texts(const arrow::Array& any) {
    const A& from = static_cast<const A&>(any);
    return each(any, [&](int64_t i) -> Status {
      const std::string_view v(from.GetView(i));
      if (v.size() + out_->data.size() > INT32_MAX)
        return exhausted("table.too_large", "a batch holds more than 2 GiB of text");
      out_->add_text(v);
      return {};
    });
  }
  template <class A>
  Status times(const arrow::Array& any) {
    const A& from = static_cast<const A&>(any);
    const Unit unit = unit_of(*any.type());
    if constexpr (std::is_same_v<A, arrow::TimestampArray>)
      if (any.null_count() == 0 && unit.times == 1 && unit.divided_by == 1)
        return words(from.raw_values(), any.length());
    return each(any, [&](int64_t i) -> Status {
      int64_t us = from.Value(i) / unit.divided_by;
      int64_t rest = from.Value(i) % unit.divided_by;
      if (rest != 0 && !how_.nanoseconds)
        return at_row(i, "the time has nanoseconds, which would be lost");
      if (rest < 0) {
        rest += unit.divided_by;
        --us;
      }
      if (__builtin_mul_overflow(us, unit.times, &us)) return at_row(i, "the time is out of range");
      out_->add_time(us, static_cast<int16_t>(rest));
      return {};
    });
  }
  // A category's values are unpacked once and copied for each row.
  Status dictionary(const arrow::DictionaryArray& from) {
    Column words;
    words.type = out_->type;
    TRY(Appender(&words, first_row_, {.nanoseconds = false, .bits = how_.bits})
            .append(*from.dictionary()));
    return each(from, [&](int64_t i) -> Status {
      const int64_t k = from.GetValueIndex(i);
      if (k < 0 || k >= words.n) return at_row(i, "the value is not in its dictionary");
      if (words.is_null(k)) return null();
      switch (words.type) {
        case ColumnType::kBool:
          out_->add_bool(words.boolean(k));
          break;
        case ColumnType::kInt64:
        case ColumnType::kTimestampUs:
          out_->add_i64(words.i64(k));
          break;
        case ColumnType::kDouble:
          out_->add_f64(words.f64(k));
          break;
        default:
          out_->add_text(words.text(k));
      }
      return {};
    });
  }

  Column* out_;
  int64_t first_row_;
  How how_;
};

// Both formats give record batches; the rest is the same.
class ArrowReader : public TableReader {
 public:
  ArrowReader(ByteSource& source, ReadOptions options)
      : file_(arrow_io::open_source(source, &pool_)), options_(std::move(options)) {}

  const std::vector<Field>& schema() const override { return schema_; }

  Result<std::optional<Table>> next() override {
    std::shared_ptr<arrow::RecordBatch> batch;
    const auto read = [&] { return batches_->ReadNext(&batch); };
    TRY(checked(guarded(Code::kInvalid, "table.syntax", read)));
    if (!batch) return std::optional<Table>();
    const auto validate = [&] { return batch->ValidateFull(); };
    TRY(checked(guarded(Code::kInvalid, "table.syntax", validate)));
    std::vector<Field> fields;
    for (const size_t i : chosen_) fields.push_back(schema_[i]);
    Table out = make_table(std::move(fields));
    out.rows = batch->num_rows();
    for (size_t i = 0; i < chosen_.size(); ++i) {
      const int at = all_columns_ ? static_cast<int>(chosen_[i]) : static_cast<int>(i);
      const auto& bits = options_.as_bits;
      const bool word = std::find(bits.begin(), bits.end(), out.schema[i].name) != bits.end();
      TRY(Appender(&out.columns[i], rows_, {options_.nanoseconds, word})
              .append(*batch->column(at)));
    }
    rows_ += out.rows;
    return std::optional(std::move(out));
  }

 protected:
  Status checked(const Result<arrow::Status>& done) const {
    if (*file_.failure) return **file_.failure;
    if (!done.ok()) return done.error();
    return take(*done);
  }
  Status set_schema(const arrow::Schema& schema) {
    if (static_cast<size_t>(schema.num_fields()) > kTableColumnsMax)
      return exhausted("table.too_large", "a table has at most 10000 columns");
    std::vector<std::string> names;
    for (const auto& field : schema.fields()) {
      schema_.push_back(to_field(*field, options_));
      names.push_back(field->name());
    }
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end())
      return invalid("table.header", concat({"two columns have the same name: ", *twice}));
    chosen_ = TRY(choose_columns(schema_, options_.columns));
    return {};
  }

  arrow::CappedMemoryPool pool_{arrow::system_memory_pool(), kArrowBytesMax};
  SourceFile file_;
  ReadOptions options_;
  std::vector<Field> schema_;
  std::vector<size_t> chosen_;
  std::shared_ptr<arrow::RecordBatchReader> batches_;
  bool all_columns_ = false;  // A batch has the columns that were not asked for, too.
  int64_t rows_ = 0;
};

class ParquetReader final : public ArrowReader {
 public:
  using ArrowReader::ArrowReader;
  ~ParquetReader() override { batches_.reset(); }  // Reads through reader_.

  Status open() {
    return checked(guarded(Code::kInvalid, "table.syntax", [&]() -> arrow::Status {
      parquet::ReaderProperties properties(&pool_);
      parquet::ArrowReaderProperties arrow_properties(false);
      // Times of Spark's old form reach beyond what nanoseconds hold.
      arrow_properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
      arrow_properties.set_batch_size(options_.batch_rows);
      arrow_properties.set_pre_buffer(false);
      parquet::arrow::FileReaderBuilder builder;
      ARROW_RETURN_NOT_OK(builder.Open(file_.file, properties));
      ARROW_ASSIGN_OR_RAISE(reader_,
                            builder.memory_pool(&pool_)->properties(arrow_properties)->Build());
      return reader_->GetSchema(&arrow_schema_);
    }));
  }

  Status choose() {
    TRY(set_schema(*arrow_schema_));
    return checked(guarded(Code::kInvalid, "table.syntax", [&]() -> arrow::Status {
      std::vector<int> groups = options_.groups;
      if (groups.empty())
        for (int i = 0; i < reader_->num_row_groups(); ++i) groups.push_back(i);
      ARROW_ASSIGN_OR_RAISE(batches_, reader_->GetRecordBatchReader(groups, leaves()));
      return arrow::Status::OK();
    }));
  }

 private:
  // Parquet counts the leaves of nested columns; those come in the order of the fields.
  std::vector<int> leaves() {
    std::sort(chosen_.begin(), chosen_.end());
    std::vector<int> out;
    const auto& fields = reader_->manifest().schema_fields;
    for (const size_t i : chosen_) add_leaves(fields[i], &out);
    return out;
  }
  static void add_leaves(const parquet::arrow::SchemaField& field, std::vector<int>* out) {
    if (field.is_leaf()) out->push_back(field.column_index);
    for (const parquet::arrow::SchemaField& child : field.children) add_leaves(child, out);
  }

  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<arrow::Schema> arrow_schema_;
};

class IpcReader final : public ArrowReader {
 public:
  using ArrowReader::ArrowReader;

  Status open() {
    TRY(checked(guarded(Code::kInvalid, "table.syntax", [&]() -> arrow::Status {
      arrow::ipc::IpcReadOptions options = arrow::ipc::IpcReadOptions::Defaults();
      options.memory_pool = &pool_;
      options.use_threads = false;
      ARROW_ASSIGN_OR_RAISE(batches_,
                            arrow::ipc::RecordBatchStreamReader::Open(file_.file, options));
      return arrow::Status::OK();
    })));
    all_columns_ = true;
    return set_schema(*batches_->schema());
  }
};

}  // namespace

Result<std::unique_ptr<TableReader>> open_parquet(ByteSource& source, ReadOptions options) {
  auto reader = std::make_unique<ParquetReader>(source, std::move(options));
  TRY(reader->open());
  TRY(reader->choose());
  return reader;
}

Result<std::unique_ptr<TableReader>> open_arrow(ByteSource& source, ReadOptions options) {
  auto reader = std::make_unique<IpcReader>(source, std::move(options));
  TRY(reader->open());
  return reader;
}

}  // namespace slip::codec
