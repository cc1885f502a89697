#include "cli/predict.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "cli/rest.h"
#include "cli/table_files.h"
#include "codec/json.h"
#include "model/document.h"
#include "model/model.h"

namespace slip::cli {
namespace {

using codec::ColumnType;
using trees::Output;

bool is_number(const codec::Field& f) {
  return f.readable && (f.type == ColumnType::kBool || f.type == ColumnType::kInt64 ||
                        f.type == ColumnType::kDouble);
}

const codec::Field* field_of(const std::vector<codec::Field>& schema, std::string_view name) {
  const auto at = std::ranges::find(schema, name, &codec::Field::name);
  return at == schema.end() ? nullptr : &*at;
}

class Predictor {
 public:
  Predictor(Fs& fs, const Predict& wanted) : fs_(fs), wanted_(wanted) {}

  Result<Predicted> run() {
    TRY(load());
    const codec::Format format = TRY(table_format(wanted_.in));
    out_format_ = TRY(table_format(wanted_.out));
    bytes_ = TRY(FileBytes::open(fs_, wanted_.in));
    std::unique_ptr<codec::TableReader> whole = TRY(open(format, {}));
    columns_ = TRY(choose(whole->schema()));
    reader_ = TRY(open(format, unique_columns()));
    const std::string part = wanted_.out + ".part";
    const Status done = fill(part);
    if (!done.ok()) {
      ignore(fs_.remove(part), "the error that led here says more");
      return done.error();
    }
    TRY(fs_.sync_dir(parent_dir(wanted_.out)));
    return said_;
  }

 private:
  Status load() {
    const std::string bytes =
        TRY(read_file(fs_, wanted_.model, static_cast<int64_t>(model::kModelBytesMax)));
    Result<model::Model> read = model::read_model(bytes, {wanted_.all_iterations});
    if (!read.ok()) return std::move(read).error().within(wanted_.model);
    said_.library = model::library_name(read->library);
    said_.objective = read->objective;
    said_.trees = read->forest.trees.size();
    executor_.emplace(TRY(trees::Executor::make(std::move(read->forest), wanted_.kernel)));
    said_.kernel = executor_->kernel();
    return {};
  }

  Result<std::unique_ptr<codec::TableReader>> open(codec::Format format,
                                                   std::vector<std::string> columns) {
    codec::ReadOptions options;
    options.columns = std::move(columns);
    Result<std::unique_ptr<codec::TableReader>> reader =
        codec::open_table(format, *bytes_, std::move(options));
    if (!reader.ok()) return std::move(reader).error().within(wanted_.in);
    return reader;
  }

  // The file's columns, one a feature.
  Result<std::vector<std::string>> choose(const std::vector<codec::Field>& schema) const {
    const trees::Forest& f = executor_->forest();
    std::vector<std::string> out = wanted_.columns;
    if (out.empty()) out = model::given_names(f);
    if (out.empty())
      for (const codec::Field& field : schema)
        if (is_number(field)) out.push_back(field.name);
    if (out.size() != f.features)
      return invalid("predict.columns",
                     concat({"the model has ", std::to_string(f.features), " features, ",
                             wanted_.columns.empty() ? wanted_.in : std::string("--columns"), " ",
                             std::to_string(out.size()), " columns"}))
          .with_hint("--columns NAMES says which they are, in the model's order");
    for (const std::string& name : out) TRY(check_column(schema, name));
    return out;
  }
  Status check_column(const std::vector<codec::Field>& schema, const std::string& name) const {
    const codec::Field* field = field_of(schema, name);
    if (field == nullptr)
      return invalid("predict.columns", concat({wanted_.in, " has no column '", name, "'"}))
          .with_hint("--columns NAMES says which columns are the model's features, in its order");
    if (is_number(*field)) return {};
    return invalid("predict.column_type",
                   concat({"column '", name, "' of ", wanted_.in, " is ", field->type_name,
                           ", and a feature is a number"}));
  }
  std::vector<std::string> unique_columns() const {
    std::vector<std::string> out = columns_;
    std::ranges::sort(out);
    out.erase(std::ranges::unique(out).begin(), out.end());
    return out;
  }

  // prediction, or prediction_0 …; label where classes are meant.
  std::vector<codec::Field> out_schema() const {
    const trees::Forest& f = executor_->forest();
    const uint32_t answers = executor_->answers(output());
    std::vector<codec::Field> out;
    for (uint32_t k = 0; k < answers; ++k) {
      const bool named = !wanted_.raw && f.class_names.size() == answers;
      const std::string suffix = named ? f.class_names[k] : std::to_string(k);
      out.push_back(codec::make_field(answers == 1 ? "prediction" : concat({"prediction_", suffix}),
                                      ColumnType::kDouble));
    }
    if (labelled())
      out.push_back(codec::make_field(
          "label", f.class_names.empty() ? ColumnType::kInt64 : ColumnType::kText, false));
    return out;
  }
  Output output() const { return wanted_.raw ? Output::kRaw : Output::kAnswer; }
  bool labelled() const { return executor_->forest().classifier && !wanted_.raw; }

  Status fill(const std::string& part) {
    const std::unique_ptr<File> file = TRY(fs_.open(part, OpenMode::kTruncate));
    FileSink sink(*file);
    const std::vector<codec::Field> schema = out_schema();
    const std::unique_ptr<codec::TableWriter> writer =
        TRY(codec::make_table_writer(out_format_, schema, sink));
    while (true) {
      Result<std::optional<codec::Table>> batch = reader_->next();
      if (!batch.ok()) return std::move(batch).error().within(wanted_.in);
      if (!batch->has_value()) break;
      TRY(writer->write(answer(**batch, schema)));
      said_.rows += (*batch)->rows;
    }
    TRY(writer->finish());
    TRY(file->sync());
    return fs_.rename(part, wanted_.out);
  }

  codec::Table answer(const codec::Table& batch, const std::vector<codec::Field>& schema) {
    const size_t n = static_cast<size_t>(batch.rows), width = columns_.size();
    rows_.resize(n * width);
    for (size_t c = 0; c < width; ++c) put_column(*batch.find(columns_[c]), n, c);
    const uint32_t answers = executor_->answers(output());
    numbers_.resize(n * answers);
    executor_->predict(std::span<const double>(rows_), numbers_, scratch_, output());
    codec::Table out = codec::make_table(schema);
    out.rows = batch.rows;
    for (size_t r = 0; r < n; ++r)
      for (uint32_t k = 0; k < answers; ++k) out.columns[k].add_f64(numbers_[r * answers + k]);
    if (labelled()) put_labels(n, out.columns.back());
    return out;
  }
  void put_column(const codec::Column& from, size_t n, size_t at) {
    for (size_t r = 0; r < n; ++r, at += columns_.size()) {
      const auto row = static_cast<int64_t>(r);
      if (from.is_null(row))
        rows_[at] = std::nan("");
      else if (from.type == ColumnType::kDouble)
        rows_[at] = from.f64(row);
      else if (from.type == ColumnType::kInt64)
        rows_[at] = static_cast<double>(from.i64(row));
      else
        rows_[at] = from.boolean(row) ? 1 : 0;
    }
  }
  void put_labels(size_t n, codec::Column& to) {
    const trees::Forest& f = executor_->forest();
    numbers_.resize(n);
    executor_->predict(std::span<const double>(rows_), numbers_, scratch_, Output::kLabel);
    for (const double label : numbers_) {
      const auto k = static_cast<size_t>(label);
      if (f.class_names.empty())
        to.add_i64(static_cast<int64_t>(k));
      else
        to.add_text(k < f.class_names.size() ? f.class_names[k] : "");
    }
  }

  Fs& fs_;
  const Predict& wanted_;
  std::optional<trees::Executor> executor_;
  codec::Format out_format_ = codec::Format::kParquet;
  std::unique_ptr<FileBytes> bytes_;
  std::unique_ptr<codec::TableReader> reader_;
  std::vector<std::string> columns_;
  std::vector<double> rows_, numbers_;
  trees::Scratch scratch_;
  Predicted said_;
};

Result<int> predict(Call& call, Fs& fs) {
  Predict wanted;
  wanted.model = call.argument(0);
  wanted.in = call.argument(1);
  wanted.out = call.argument(2);
  wanted.raw = call.on("raw");
  wanted.all_iterations = call.on("all-iterations");
  wanted.kernel = TRY(trees::parse_kernel(call.text("kernel", "auto")));
  const std::string columns = call.text("columns");
  if (!columns.empty())
    for (const std::string_view name : split(columns, ',')) wanted.columns.emplace_back(trim(name));
  const Predicted done = TRY(predict_file(fs, wanted));
  const std::string kernel(trees::kernel_name(done.kernel));
  if (call.on("json")) {
    const codec::Json out = codec::Json::object({{"rows", done.rows},
                                                 {"library", done.library},
                                                 {"objective", done.objective},
                                                 {"trees", static_cast<int64_t>(done.trees)},
                                                 {"kernel", kernel},
                                                 {"out", wanted.out}});
    call.terminal.out(codec::to_json(out, 2) + "\n");
    return 0;
  }
  call.terminal.err(
      concat({std::to_string(done.rows), " rows by ", std::to_string(done.trees), " trees of ",
              done.library, " (", done.objective, ", ", kernel, "): ", wanted.out, "\n"}));
  return 0;
}

}  // namespace

Result<Predicted> predict_file(Fs& fs, const Predict& wanted) {
  return Predictor(fs, wanted).run();
}

void add_predict_command(Commands& commands, const Machine& machine) {
  commands.add(
      {"predict",
       "Answers the rows of a file with a model of trees, or a linear one.",
       {{"MODEL", "XGBoost (JSON, UBJSON), LightGBM (text) or ONNX (trees, linear)"},
        {"IN", "rows: Parquet, CSV or JSON lines; null is a missing value"},
        {"OUT", "answers, a row each: Parquet, CSV or JSON lines"}},
       {{"columns", "NAMES",
         "Columns that are the model's features, in its order [by its names, else all numbers in "
         "their order]."},
        {"raw", "", "Sums of leaves, without averages and links."},
        {"all-iterations", "", "Also XGBoost's trees behind the best iteration."},
        {"kernel", "NAME", "scalar, walk, avx2, avx512, or auto: by processor and model [auto]."}},
       [fs = &machine.fs](Call& call) { return predict(call, *fs); },
       "Answers as the library does that trained the model, and needs neither it nor a server. "
       "Columns are\n"
       "`prediction`, or `prediction_CLASS` of several outputs, and `label` of classifiers."});
}

}  // namespace slip::cli
