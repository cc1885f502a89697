#include "cli/batch_plan.h"

#include <algorithm>
#include <cstdio>

#include "base/text.h"
#include "cli/table_files.h"
#include "codec/hash.h"
#include "codec/row_groups.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr int64_t kNotesBytesMax = 256 << 20;
constexpr std::string_view kPlan = "_plan.json", kDone = "_done.jsonl",
                           kManifest = "_manifest.json", kLock = "_lock";
constexpr int kFormat = 1;

Result<std::vector<BatchInput>> find_inputs(Fs& fs, const std::string& in) {
  std::vector<BatchInput> out;
  const FileInfo info = TRY(fs.stat(in));
  if (!info.is_dir) {
    const codec::Format format = TRY(table_format(in));
    out.push_back({in, format, info.size, info.modified_us});
    return out;
  }
  for (const FileInfo& f : TRY(fs.list(in))) {
    const auto format = codec::format_of_path(f.name);
    if (f.is_dir || f.name.starts_with('_') || f.name.starts_with('.') || !format) continue;
    out.push_back({concat({in, "/", f.name}), *format, f.size, f.modified_us});
  }
  if (out.empty())
    return invalid("batch.inputs", concat({in, " has no file of Parquet, CSV or JSON lines"}));
  return out;
}

class Planner {
 public:
  Planner(Fs& fs, const BatchOptions& options, BatchPlan& plan)
      : fs_(fs), options_(options), plan_(plan) {}

  Status add(size_t input) {
    const BatchInput& file = plan_.inputs[input];
    const std::unique_ptr<FileBytes> bytes = TRY(FileBytes::open(fs_, file.path));
    if (file.format == codec::Format::kParquet) return add_groups(input, *bytes);
    codec::ReadOptions options;
    const auto reader = TRY(codec::open_table(file.format, *bytes, options));
    int64_t rows = 0;
    while (const std::optional<codec::Table> batch = TRY(reader->next())) rows += batch->rows;
    for (int64_t first = 0; first < rows; first += options_.part_rows)
      push(input, first, std::min(options_.part_rows, rows - first), {});
    return {};
  }

 private:
  Status add_groups(size_t input, codec::ByteSource& bytes) {
    const std::vector<codec::RowGroup> groups = TRY(codec::parquet_row_groups(bytes, {}));
    std::vector<int> taken;
    int64_t first = 0, rows = 0;
    for (size_t g = 0; g < groups.size(); ++g) {
      if (taken.empty()) first = groups[g].first_row;
      taken.push_back(static_cast<int>(g));
      rows += groups[g].rows;
      if (rows < options_.part_rows && g + 1 < groups.size()) continue;
      if (rows > 0) push(input, first, rows, std::move(taken));
      taken.clear();
      rows = 0;
    }
    return {};
  }

  void push(size_t input, int64_t first, int64_t rows, std::vector<int> groups) {
    BatchPart part;
    part.number = static_cast<int64_t>(plan_.parts.size());
    part.input = input;
    part.first_row = first;
    part.rows = rows;
    part.groups = std::move(groups);
    char name[32];
    std::snprintf(name, sizeof name, "part-%05lld.", static_cast<long long>(part.number));
    part.name = concat({name, codec::format_name(options_.format)});
    plan_.parts.push_back(std::move(part));
  }

  Fs& fs_;
  const BatchOptions& options_;
  BatchPlan& plan_;
};

Json texts(const std::vector<std::string>& all) {
  Json out = Json::array();
  for (const std::string& one : all) out.push(one);
  return out;
}

Json plan_json(const BatchPlan& plan, const BatchOptions& options) {
  Json inputs = Json::array();
  for (const BatchInput& i : plan.inputs)
    inputs.push(Json::object(
        {{"path", i.path}, {"bytes", i.bytes}, {"modified_us", std::to_string(i.modified_us)}}));
  return Json::object({{"format", kFormat},
                       {"model_sha256", plan.model_sha256},
                       {"inputs", std::move(inputs)},
                       {"columns", texts(options.columns)},
                       {"keep", texts(options.keep)},
                       {"out_format", codec::format_name(options.format)},
                       {"part_rows", options.part_rows},
                       {"parts", static_cast<int64_t>(plan.parts.size())}});
}

Json done_json(const PartDone& d) {
  return Json::object(
      {{"part", d.number}, {"rows", d.rows}, {"bytes", d.bytes}, {"sha256", d.sha256}});
}

std::optional<PartDone> read_done(std::string_view line) {
  const auto json = codec::parse_json(line);
  if (!json.ok() || !json->is_object()) return std::nullopt;  // Torn by a crash: the part again.
  PartDone out;
  const auto number = codec::int_or(*json, "part", -1), rows = codec::int_or(*json, "rows", -1),
             bytes = codec::int_or(*json, "bytes", -1);
  const auto digest = codec::string_or(*json, "sha256", "");
  if (!number.ok() || !rows.ok() || !bytes.ok() || !digest.ok() || *number < 0 || digest->empty())
    return std::nullopt;
  return PartDone{*number, *rows, *bytes, *digest};
}

// "part-00012.parquet", also unfinished: nobody else's file, however it begins.
bool is_part(std::string_view name) {
  constexpr std::string_view kBegin = "part-", kUnfinished = ".tmp";
  if (!name.starts_with(kBegin)) return false;
  name.remove_prefix(kBegin.size());
  if (name.ends_with(kUnfinished)) name.remove_suffix(kUnfinished.size());
  const size_t dot = name.find('.');
  const std::string_view digits = name.substr(0, dot);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  return dot != name.npos && digits.size() >= 5 && std::ranges::all_of(digits, is_digit) &&
         codec::parse_format(name.substr(dot + 1)).ok();
}
bool is_ours(std::string_view name) {
  return is_part(name) || name == kPlan || name == kDone || name == kManifest;
}

}  // namespace

Result<BatchPlan> make_plan(Fs& fs, const BatchOptions& options, std::string_view model_sha256) {
  BatchPlan plan;
  plan.model_sha256 = model_sha256;
  plan.inputs = TRY(find_inputs(fs, options.in));
  Planner planner(fs, options, plan);
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const Status added = planner.add(i);
    if (!added.ok()) return Error(added.error()).within(plan.inputs[i].path);
  }
  plan.identity = codec::to_json(plan_json(plan, options), 2);
  return plan;
}

// Only what a plan of ours stands beside.
Status BatchFolder::clear() {
  if (!fs_.stat(path(kPlan)).ok()) return {};
  for (const FileInfo& f : TRY(fs_.list(dir_)))
    if (!f.is_dir && is_ours(f.name)) TRY(fs_.remove(path(f.name)));
  return fs_.sync_dir(dir_);
}

Result<std::vector<PartDone>> BatchFolder::open(const BatchPlan& plan, bool restart) {
  for (const BatchInput& input : plan.inputs)
    if (parent_dir(input.path) == dir_)
      return invalid("batch.out", concat({dir_, " holds the rows themselves"}));
  TRY(fs_.make_dirs(dir_));
  lock_ = TRY(fs_.open(path(kLock), OpenMode::kCreate));
  TRY(lock_->lock());
  if (restart) TRY(clear());
  const std::vector<FileInfo> there = TRY(fs_.list(dir_));
  const auto has = [&](std::string_view name) {
    return std::ranges::any_of(there, [&](const FileInfo& f) { return f.name == name; });
  };
  std::vector<PartDone> out;
  if (has(kPlan)) {
    if (TRY(read_file(fs_, path(kPlan), kNotesBytesMax)) != plan.identity)
      return conflict(
                 "batch.other_plan",
                 concat({dir_, " holds answers of other rows, another model or other options"}))
          .with_hint("--restart removes them; or name another directory");
    if (has(kDone)) {
      const std::string notes = TRY(read_file(fs_, path(kDone), kNotesBytesMax));
      for (const std::string_view line : split(notes, '\n'))
        if (const auto done = read_done(line); done && is_there(plan, *done)) out.push_back(*done);
    }
  } else {
    for (const FileInfo& f : there)
      if (is_ours(f.name))
        return conflict("batch.other_plan", concat({dir_, " holds ", f.name, " and no plan"}))
            .with_hint("name another directory, or empty it");
    TRY(write_file_atomic(fs_, path(kPlan), plan.identity));
  }
  finished_ = has(kManifest);
  log_ = TRY(fs_.open(path(kDone), OpenMode::kCreate));
  // What a crash left of a line ends with the next one's beginning.
  if (TRY(log_->size()) > 0) TRY(log_->append("\n"));
  return out;
}

// As long as was noted: one that somebody removed or cut is made again.
bool BatchFolder::is_there(const BatchPlan& plan, const PartDone& done) const {
  if (done.number >= static_cast<int64_t>(plan.parts.size())) return false;
  const BatchPart& part = plan.parts[static_cast<size_t>(done.number)];
  const auto info = fs_.stat(path(part.name));
  return info.ok() && info->size == done.bytes && part.rows == done.rows;
}

Status BatchFolder::note(const PartDone& done) {
  TRY(log_->append(codec::to_json(done_json(done)) + "\n"));
  return log_->sync();
}

Status BatchFolder::finish(const BatchPlan& plan, const std::vector<PartDone>& done,
                           const std::vector<codec::Field>& schema) {
  Json parts = Json::array();
  int64_t rows = 0, bytes = 0;
  for (const PartDone& d : done) {
    const BatchPart& part = plan.parts[static_cast<size_t>(d.number)];
    parts.push(Json::object({{"file", part.name},
                             {"rows", d.rows},
                             {"bytes", d.bytes},
                             {"sha256", d.sha256},
                             {"input", plan.inputs[part.input].path},
                             {"first_row", part.first_row}}));
    rows += d.rows;
    bytes += d.bytes;
  }
  Json columns = Json::array();
  for (const codec::Field& f : schema)
    columns.push(Json::object({{"name", f.name}, {"type", codec::column_type_name(f.type)}}));
  const Json manifest = Json::object({{"format", kFormat},
                                      {"model_sha256", plan.model_sha256},
                                      {"rows", rows},
                                      {"bytes", bytes},
                                      {"columns", std::move(columns)},
                                      {"parts", std::move(parts)}});
  TRY(write_file_atomic(fs_, path(kManifest), codec::to_json(manifest, 2) + "\n"));
  finished_ = true;
  return {};
}

}  // namespace slip::cli
