#include "cli/batch_score.h"

#include <algorithm>
#include <atomic>
#include <map>

#include "base/text.h"
#include "cli/rest.h"
#include "cli/table_files.h"
#include "codec/hash.h"
#include "serving/model.h"
#include "serving/serving.h"
#include "serving/table_rows.h"
#include "sys/sync.h"

namespace slip::cli {
namespace {

constexpr int64_t kBatchRows = 16'384;

// Counts and digests what goes by.
class HashingSink final : public codec::ByteSink {
 public:
  explicit HashingSink(File& file) : file_(file) {}
  Status write(std::string_view bytes) override {
    hash_.update(bytes);
    bytes_ += static_cast<int64_t>(bytes.size());
    return file_.append(bytes);
  }
  int64_t bytes() const { return bytes_; }
  std::string sha256() { return hash_.finish().hex(); }

 private:
  File& file_;
  codec::Sha256Stream hash_;
  int64_t bytes_ = 0;
};

class Scoring {
 public:
  Scoring(Fs& fs, const BatchOptions& options, const BatchProgress& progress)
      : fs_(fs), options_(options), progress_(progress), folder_(fs, options.out) {}

  Result<BatchScored> run(Executor& executor) {
    TRY(load());
    plan_ = TRY(make_plan(fs_, options_, model_sha256_));
    TRY(check_inputs());
    for (PartDone& d : TRY(folder_.open(plan_, options_.restart)))
      if (d.number < static_cast<int64_t>(plan_.parts.size())) done_[d.number] = std::move(d);
    said_.resumed = static_cast<int64_t>(done_.size());
    for (const BatchPart& p : plan_.parts) {
      all_rows_ += p.rows;
      if (done_.contains(p.number)) rows_done_ += p.rows;
    }
    if (!done_.empty()) TRY(read_schema(plan_.parts[static_cast<size_t>(done_.begin()->first)]));
    work(executor);
    TRY(failed_);
    std::vector<PartDone> all;
    for (auto& [number, d] : done_) {
      said_.rows += d.rows;
      said_.bytes += d.bytes;
      all.push_back(d);
    }
    said_.parts = static_cast<int64_t>(all.size());
    if (!folder_.finished() || said_.resumed < said_.parts)
      TRY(folder_.finish(plan_, all, schema_));
    return said_;
  }

 private:
  Status load() {
    const std::string bytes = TRY(read_file(fs_, options_.model, serving::kModelBytesMax));
    model_sha256_ = codec::sha256(bytes).hex();
    Result<std::unique_ptr<serving::Model>> model = serving::load_model(bytes);
    if (!model.ok()) return std::move(model).error().within(options_.model);
    model_ = std::move(*model);
    return {};
  }

  // Every file fits the model before the first row is answered.
  Status check_inputs() {
    for (const BatchInput& input : plan_.inputs) {
      const auto checked = check_input(input);
      if (!checked.ok()) return Error(checked.error()).within(input.path);
    }
    return {};
  }
  Status check_input(const BatchInput& input) {
    const auto bytes = TRY(FileBytes::open(fs_, input.path));
    const auto reader = TRY(codec::open_table(input.format, *bytes));
    columns_.push_back(TRY(columns_of(reader->schema())));
    return {};
  }

  struct Columns {
    serving::RowMapper mapper;
    std::vector<std::string> reads;
  };
  Result<Columns> columns_of(const std::vector<codec::Field>& schema) const {
    Columns out{TRY(serving::RowMapper::make(model_->signature(), schema, options_.columns)), {}};
    out.reads = out.mapper.reads();
    for (const std::string& name : options_.keep) {
      const auto at = std::ranges::find(schema, name, &codec::Field::name);
      if (at == schema.end() || !at->readable)
        return invalid("batch.keep", concat({"there is no column '", name, "' to keep"}));
      if (std::ranges::find(out.reads, name) == out.reads.end()) out.reads.push_back(name);
    }
    return out;
  }

  void work(Executor& executor) {
    const size_t threads = std::max<size_t>(1, std::min(options_.threads, plan_.parts.size()));
    std::vector<std::unique_ptr<Task>> tasks;
    for (size_t i = 1; i < threads; ++i)
      tasks.push_back(executor.spawn("batch-score", [this] { take_parts(); }));
    take_parts();
    for (const auto& task : tasks) task->join();
  }
  void take_parts() {
    for (;;) {
      const size_t at = next_.fetch_add(1);
      if (at >= plan_.parts.size()) return;
      {
        const sys::Lock lock(mutex_);
        if (!failed_.ok()) return;
        if (done_.contains(plan_.parts[at].number)) continue;
      }
      const Result<PartDone> done = score(plan_.parts[at]);
      const sys::Lock lock(mutex_);
      const Status noted = done.ok() ? folder_.note(*done) : Status(done.error());
      if (noted.ok())
        done_[done->number] = *done;
      else if (failed_.ok())
        failed_ = noted;
    }
  }

  Result<PartDone> score(const BatchPart& part) {
    const BatchInput& input = plan_.inputs[part.input];
    Result<PartDone> done = score_in(part, input);
    if (!done.ok()) return std::move(done).error().within(input.path);
    return done;
  }
  Result<PartDone> score_in(const BatchPart& part, const BatchInput& input) {
    const auto bytes = TRY(FileBytes::open(fs_, input.path));
    if (bytes->size() != input.bytes)
      return conflict("batch.changed", "the file has changed since the scoring began");
    const Columns& columns = columns_[part.input];
    codec::ReadOptions read;
    read.columns = columns.reads;
    read.groups = part.groups;
    read.batch_rows = kBatchRows;
    const auto reader = TRY(codec::open_table(input.format, *bytes, read));
    const std::string path = folder_.path(part.name), temporary = path + ".tmp";
    const std::unique_ptr<File> file = TRY(fs_.open(temporary, OpenMode::kTruncate));
    HashingSink sink(*file);
    std::unique_ptr<codec::TableWriter> writer;
    const int64_t skip = part.groups.empty() ? part.first_row : 0;
    int64_t at = 0, written = 0;
    while (std::optional<codec::Table> batch = TRY(reader->next())) {
      const int64_t first = std::max(skip - at, int64_t{0});
      const int64_t last = std::min(batch->rows, skip + part.rows - at);
      at += batch->rows;
      if (first >= last) {
        if (at >= skip + part.rows) break;
        continue;
      }
      const bool whole = first == 0 && last == batch->rows;
      const codec::Table rows = whole ? std::move(*batch) : slice(*batch, first, last);
      codec::Table out = TRY(answer(columns, rows));
      if (!writer) {
        TRY(take_schema(out.schema));
        writer = TRY(codec::make_table_writer(options_.format, out.schema, sink));
      }
      TRY(writer->write(out));
      written += rows.rows;
      tell(rows.rows);
    }
    if (written != part.rows)
      return conflict("batch.changed", "the file has changed since the scoring began");
    TRY(writer->finish());
    TRY(file->sync());
    TRY(fs_.rename(temporary, path));
    TRY(fs_.sync_dir(options_.out));
    return PartDone{part.number, written, sink.bytes(), sink.sha256()};
  }

  static codec::Table slice(const codec::Table& from, int64_t first, int64_t last) {
    codec::Table out = codec::make_table(from.schema);
    out.rows = last - first;
    for (size_t c = 0; c < from.columns.size(); ++c)
      for (int64_t i = first; i < last; ++i) add_cell(from.columns[c], i, &out.columns[c]);
    return out;
  }
  static void add_cell(const codec::Column& from, int64_t i, codec::Column* to) {
    if (from.is_null(i)) return to->add_null();
    switch (from.type) {
      case codec::ColumnType::kBool:
        return to->add_bool(from.boolean(i));
      case codec::ColumnType::kInt64:
        return to->add_i64(from.i64(i));
      case codec::ColumnType::kDouble:
        return to->add_f64(from.f64(i));
      case codec::ColumnType::kTimestampUs:
        return to->add_time(from.i64(i), 0);
      case codec::ColumnType::kText:
      case codec::ColumnType::kBytes:
        return to->add_text(from.text(i));
    }
  }

  Result<codec::Table> answer(const Columns& columns, const codec::Table& rows) const {
    const std::vector<serving::Tensor> inputs = TRY(columns.mapper.tensors(rows));
    const std::vector<serving::Tensor> outputs = TRY(model_->run(inputs, {}));
    codec::Table answers = TRY(serving::output_table(outputs, rows.rows));
    if (options_.keep.empty()) return answers;
    codec::Table out;
    out.rows = rows.rows;
    for (const std::string& name : options_.keep) {
      const size_t at = static_cast<size_t>(rows.find(name) - rows.columns.data());
      out.schema.push_back(rows.schema[at]);
      out.columns.push_back(rows.columns[at]);
    }
    for (size_t i = 0; i < answers.columns.size(); ++i) {
      if (out.find(answers.schema[i].name) != nullptr)
        return invalid("batch.keep",
                       concat({"'", answers.schema[i].name, "' is the name of an answer too"}));
      out.schema.push_back(answers.schema[i]);
      out.columns.push_back(std::move(answers.columns[i]));
    }
    return out;
  }

  // Of a part that was there before.
  Status read_schema(const BatchPart& part) {
    const auto bytes = TRY(FileBytes::open(fs_, folder_.path(part.name)));
    schema_ = TRY(codec::open_table(options_.format, *bytes))->schema();
    return {};
  }

  // Parts that could not be read as one table help nobody.
  Status take_schema(const std::vector<codec::Field>& schema) {
    const sys::Lock lock(mutex_);
    if (schema_.empty()) schema_ = schema;
    // Text doesn't say of what type a column was written.
    const bool typed = options_.format == codec::Format::kParquet;
    const bool same = std::ranges::equal(schema_, schema, [&](const auto& a, const auto& b) {
      return a.name == b.name && (!typed || a.type == b.type);
    });
    if (same) return {};
    return invalid("batch.schema", "its answers have other columns than those of other files");
  }

  void tell(int64_t rows) {
    const sys::Lock lock(mutex_);
    rows_done_ += rows;
    if (progress_) progress_(rows_done_, all_rows_);
  }

  Fs& fs_;
  const BatchOptions& options_;
  const BatchProgress& progress_;
  BatchFolder folder_;
  std::unique_ptr<serving::Model> model_;
  std::string model_sha256_;
  BatchPlan plan_;
  std::vector<Columns> columns_;  // Of each input.
  std::atomic<size_t> next_{0};
  sys::Mutex mutex_;  // What follows.
  std::map<int64_t, PartDone> done_;
  std::vector<codec::Field> schema_;
  Status failed_;
  int64_t rows_done_ = 0;
  int64_t all_rows_ = 0;
  BatchScored said_;
};

// ---- the command

std::vector<std::string> names_of(const std::string& text) {
  std::vector<std::string> out;
  if (text.empty()) return out;
  for (const std::string_view name : split(text, ',')) out.emplace_back(trim(name));
  return out;
}

Result<BatchOptions> options_of(const Call& call) {
  BatchOptions out;
  out.model = call.argument(0);
  out.in = call.argument(1);
  out.out = call.argument(2);
  out.columns = names_of(call.text("columns"));
  out.keep = names_of(call.text("keep"));
  out.format = TRY(codec::parse_format(call.text("format", "parquet")));
  out.part_rows = TRY(call.number("part-rows")).value_or(out.part_rows);
  out.threads = static_cast<size_t>(TRY(call.number("threads")).value_or(1));
  out.restart = call.on("restart");
  if (out.part_rows < 1 || out.threads < 1 || out.threads > 256)
    return invalid("usage.number", "--part-rows and --threads (up to 256) are at least 1");
  if (codec::format_of_path(out.out))
    return invalid("usage.out", concat({out.out, " is named like a file, and OUT is a directory"}))
        .with_hint("slipway predict writes a single file");
  return out;
}

// "\r 12,345,678 of 50,000,000 rows, 24 %, 1.2 M rows/s, 30 s left"
class ProgressLine {
 public:
  ProgressLine(Terminal& terminal, Clock& clock)
      : terminal_(terminal), clock_(clock), began_ns_(clock.steady_ns()) {}

  void tell(int64_t done, int64_t of) {
    const int64_t now = clock_.steady_ns();
    if (begun_with_ < 0) begun_with_ = done;
    if (now - told_ns_ < 200'000'000 && done != of) return;
    told_ns_ = now;
    const double seconds = static_cast<double>(now - began_ns_) / 1e9;
    const double rate = static_cast<double>(done - begun_with_) / std::max(seconds, 1e-3);
    const int64_t left = rate > 0 ? static_cast<int64_t>(static_cast<double>(of - done) / rate) : 0;
    terminal_.err(concat({"\r", std::to_string(done), " of ", std::to_string(of), " rows, ",
                          std::to_string(of == 0 ? 100 : done * 100 / of), " %, ",
                          std::to_string(static_cast<int64_t>(rate)), " rows/s, ",
                          std::to_string(left), " s left   ", done == of ? "\n" : ""}));
  }

 private:
  Terminal& terminal_;
  Clock& clock_;
  int64_t began_ns_;
  int64_t told_ns_ = 0;
  int64_t begun_with_ = -1;
};

Result<int> run_batch_score(Call& call, const Machine& machine) {
  const BatchOptions options = TRY(options_of(call));
  ProgressLine line(call.terminal, machine.clock);
  BatchProgress progress;
  if (call.terminal.out_tty && !call.on("json"))
    progress = [&](int64_t done, int64_t of) { line.tell(done, of); };
  const int64_t began = machine.clock.steady_ns();
  const BatchScored done = TRY(batch_score(machine.fs, machine.executor, options, progress));
  const int64_t took_ms = (machine.clock.steady_ns() - began) / 1'000'000;
  if (call.on("json")) {
    call.terminal.out(codec::to_json(codec::Json::object({{"rows", done.rows},
                                                          {"parts", done.parts},
                                                          {"resumed_parts", done.resumed},
                                                          {"bytes", done.bytes},
                                                          {"took_ms", took_ms},
                                                          {"out", options.out}}),
                                     2) +
                      "\n");
    return 0;
  }
  call.terminal.err(
      concat({std::to_string(done.rows), " rows in ", std::to_string(done.parts), " parts",
              done.resumed > 0 ? " (" : "", done.resumed > 0 ? std::to_string(done.resumed) : "",
              done.resumed > 0 ? " were there)" : "", ", ", std::to_string(took_ms),
              " ms: ", options.out, "\n"}));
  return 0;
}

}  // namespace

Result<BatchScored> batch_score(Fs& fs, Executor& executor, const BatchOptions& options,
                                const BatchProgress& progress) {
  return Scoring(fs, options, progress).run(executor);
}

void add_batch_command(Commands& commands, const Machine& machine) {
  commands.add(
      {"batch score",
       "Answers all rows of files with a model, in parts; goes on where it was stopped.",
       {{"MODEL", "file of a model: ONNX, XGBoost (JSON, UBJSON) or LightGBM (text)"},
        {"IN", "rows: a file of Parquet, CSV or JSON lines, or a directory of such"},
        {"OUT", "directory of the parts and their manifest; made when missing"}},
       {{"columns", "NAMES",
         "Columns that are the model's features, in its order [by its names, else all numbers in "
         "their order]."},
        {"keep", "NAMES", "Columns of the input that stand before the answers [none]."},
        {"format", "NAME", "Of the parts: parquet, csv, jsonl [parquet]."},
        {"part-rows", "N", "Rows a part, at least; of Parquet whole row groups [1000000]."},
        {"threads", "N", "Parts at once [1]."},
        {"restart", "", "Begin anew: removes the parts of another scoring in OUT."}},
       [machine](Call& call) { return run_batch_score(call, machine); },
       "The same executor as `slipway serve`: the same bits. _manifest.json comes last and names "
       "every part\nonce, with its digest; the same command after a kill does only what isn't "
       "done."});
}

}  // namespace slip::cli
