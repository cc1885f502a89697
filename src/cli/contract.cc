#include "cli/contract.h"

#include <array>

#include "base/text.h"
#include "cli/files.h"
#include "cli/rest.h"
#include "cli/sql_files.h"
#include "cli/table_files.h"
#include "codec/yaml.h"
#include "contract/diff.h"
#include "contract/import.h"
#include "contract/infer.h"
#include "sys/clock.h"

namespace slip::cli {
namespace {

using codec::Json;
using contract::Contract;

constexpr int64_t kImportBytesMax = 16 << 20;

// Keys that memory doesn't hold, in a directory that is made when the first of them comes.
class FileSpill final : public contract::Spill {
 public:
  FileSpill(Fs& fs, Process& process) : fs_(fs), process_(process) {}
  Status append(const std::string& name, std::string_view bytes) override {
    if (!scratch_) scratch_.emplace(TRY(Scratch::make(fs_, process_)));
    const std::unique_ptr<File> file = TRY(fs_.open(path(name), OpenMode::kCreate));
    return file->append(bytes);
  }
  Result<std::unique_ptr<codec::ByteSource>> open(const std::string& name) override {
    return TRY(FileBytes::open(fs_, path(name)));
  }
  Status remove(const std::string& name) override { return fs_.remove(path(name)); }

 private:
  std::string path(const std::string& name) const { return concat({scratch_->path(), "/", name}); }
  Fs& fs_;
  Process& process_;
  std::optional<Scratch> scratch_;
};

void print(Call& call, const Json& json, const std::string& text) {
  call.terminal.out(call.on("json") ? codec::to_json(json, 2) + "\n" : text);
}

Status put(Call& call, Fs& fs, const std::string& yaml) {
  if (!call.has("out")) {
    call.terminal.out(yaml);
    return {};
  }
  return write_file_atomic(fs, call.text("out"), yaml);
}

Result<int64_t> size_of(const Call& call, std::string_view option, std::string_view fallback) {
  const std::optional<int64_t> size = parse_size(call.text(option, fallback));
  if (size && *size > 0) return *size;
  return invalid("usage.size", concat({"--", option, " is a size, such as 1GiB"}));
}

Result<int> check(Call& call, const Machine& machine) {
  ContractCheck wanted;
  wanted.contract = call.argument(0);
  wanted.data = call.argument(1);
  wanted.object = call.text("schema");
  wanted.others = call.list("with");
  wanted.now_us = machine.clock.now_us();
  if (call.has("now")) wanted.now_us = TRY(parse_moment_us(call.text("now")));
  const int64_t samples = TRY(call.number("samples")).value_or(10);
  if (samples < 0 || samples > 10'000)
    return invalid("usage.number", "--samples is between 0 and 10000");
  wanted.samples = static_cast<size_t>(samples);
  wanted.memory_bytes = TRY(size_of(call, "memory", "1GiB"));
  if (wanted.data.empty()) {
    const Contract contract = TRY(read_contract(machine.fs, wanted.contract));
    print(call,
          Json::object({{"contract", contract.id}, {"version", contract.version}, {"ok", true}}),
          concat({wanted.contract, ": ", contract.id, " ", contract.version, ", ",
                  std::to_string(contract.objects.size()), " objects: a sound contract\n"}));
    return 0;
  }
  FileSpill spill(machine.fs, machine.process);
  wanted.spill = &spill;
  FileQueries sql(machine.fs, machine.process, wanted.memory_bytes);
  wanted.sql = &sql;
  const contract::Report report = TRY(check_file(machine.fs, wanted));
  print(call, to_json(report), to_text(report));
  return report.ok() ? 0 : kExitGate;
}

Result<int> infer(Call& call, Fs& fs) {
  const std::string path = call.argument(0);
  const codec::Format format = TRY(table_format(path));
  const std::unique_ptr<FileBytes> bytes = TRY(FileBytes::open(fs, path));
  const std::unique_ptr<codec::TableReader> reader = TRY(codec::open_table(format, *bytes));
  contract::InferOptions options;
  options.name = call.text("name", stem(path));
  options.loose = format != codec::Format::kParquet;
  options.ranges = call.on("ranges");
  contract::Inference inference(facts_of(reader->schema()), options);
  int64_t rows = 0;
  while (const std::optional<codec::Table> batch = TRY(reader->next())) {
    TRY(inference.add(views(*batch), batch->rows));
    rows += batch->rows;
  }
  TRY(put(call, fs, codec::to_yaml(inference.finish())));
  call.terminal.err(concat(
      {std::to_string(rows), " rows, ", std::to_string(reader->schema().size()), " properties\n"}));
  return 0;
}

// "object.property: [names]" of a YAML file.
class ListedReaders final : public contract::Readers {
 public:
  explicit ListedReaders(Json lists) : lists_(std::move(lists)) {}
  std::vector<std::string> of(const contract::Object& object,
                              const contract::Property* property) const override {
    std::vector<std::string> out;
    for (const auto& [key, names] : lists_.members()) {
      const bool object_wide =
          property == nullptr && (key == object.name || key.starts_with(object.name + "."));
      const bool hit = property != nullptr &&
                       (key == concat({object.name, ".", property->name}) || key == object.name);
      if ((!hit && !object_wide) || !names.is_array()) continue;
      for (const Json& name : names.items())
        if (name.is_string()) out.push_back(name.as_string());
    }
    return out;
  }

 private:
  Json lists_;
};

Result<int> diff(Call& call, Fs& fs) {
  const contract::Mode mode = TRY(contract::parse_mode(call.text("mode", "FULL")));
  const std::string fail_on = call.text("fail-on", "breaking");
  if (fail_on != "breaking" && fail_on != "warn")
    return invalid("usage.fail_on", "--fail-on is breaking or warn");
  const std::vector<std::string> earlier = call.list("earlier");
  if (!earlier.empty() && !mode.transitive)
    return invalid("usage.mode", "earlier versions are compared in a _TRANSITIVE mode");
  std::vector<Contract> versions;
  for (const std::string& path : earlier) versions.push_back(TRY(read_contract(fs, path)));
  versions.push_back(TRY(read_contract(fs, call.argument(0))));
  const Contract after = TRY(read_contract(fs, call.argument(1)));
  std::optional<ListedReaders> readers;
  if (call.has("readers")) {
    Json lists = TRY(read_yaml(fs, call.text("readers")));
    if (!lists.is_object())
      return invalid("usage.readers", "--readers is a YAML file of object.property: [names]");
    readers.emplace(std::move(lists));
  }
  const contract::Diff found =
      contract::diff_contracts(versions, after, mode, readers ? &*readers : nullptr);
  print(call, to_json(found), to_text(found));
  contract::Impact worst = found.worst();
  if (worst == contract::Impact::kGate && call.on("approved")) worst = contract::Impact::kWarn;
  const bool failed =
      worst >= contract::Impact::kGate || (worst == contract::Impact::kWarn && fail_on == "warn");
  return failed ? kExitGate : 0;
}

using Importer = Result<contract::Imported> (*)(std::string_view);
struct ImportRow {
  std::string_view name;
  Importer run;
};
constexpr std::array kImporters = {
    ImportRow{"ge", contract::import_great_expectations}, ImportRow{"dbt", contract::import_dbt},
    ImportRow{"pandera", contract::import_pandera}, ImportRow{"tfdv", contract::import_tfdv}};

Result<int> import(Call& call, Fs& fs) {
  const std::string tool = call.argument(0);
  for (const ImportRow& row : kImporters) {
    if (row.name != tool) continue;
    const std::string text = TRY(read_file(fs, call.argument(1), kImportBytesMax));
    Result<contract::Imported> done = row.run(text);
    if (!done.ok()) return std::move(done).error().within(call.argument(1));
    TRY(put(call, fs, codec::to_yaml(done->document)));
    call.terminal.err(concat({std::to_string(done->rules), " rules taken over, ",
                              std::to_string(done->left.size()), " left\n"}));
    for (const contract::Left& left : done->left)
      call.terminal.err(concat({"left: ", left.where, "  ", left.what, ": ", left.why, "\n"}));
    const bool strict = call.on("strict") && !done->left.empty();
    return strict ? kExitGate : 0;
  }
  return invalid("usage.tool", concat({"'", tool, "' is none of ge, dbt, pandera, tfdv"}));
}

}  // namespace

Result<int64_t> parse_moment_us(std::string_view text) {
  const std::optional<int64_t> us = contract::TimeFormat::iso(false).parse(text);
  if (us) return *us;
  return invalid("usage.time", concat({"'", text, "' is no time"}))
      .with_hint("ISO 8601: 2026-11-23 or 2026-11-23T05:53:00Z");
}

void add_contract_commands(Commands& commands, const Machine& machine) {
  Fs* fs = &machine.fs;
  commands.add(
      {"contract check",
       "Checks a file of rows against a data contract.",
       {{"CONTRACT", "ODCS 3.1, YAML or JSON"},
        {"DATA", "Parquet, CSV or JSON lines; without it the contract alone is read", false}},
       {{"schema", "NAME", "The object that the rows are [the only one, or as the file is named]."},
        {"with", "NAME=FILE", "Rows of another object, for relationships.", false, true},
        {"now", "T", "The moment that SLAs are judged at [the clock's]."},
        {"samples", "N", "Rows shown of each check [10]."},
        {"memory", "SIZE", "For keys that must be unique; more goes to TMPDIR [1GiB]."}},
       [machine](Call& call) { return check(call, machine); },
       "Exits with 6 when a check of severity error fails. What could not be evaluated (SQL, other "
       "tools'\nchecks, nested columns of Parquet) is listed, and never counts as passed. Needs no "
       "server."});
  commands.add({"contract infer",
                "Writes a contract that a file of rows fulfils.",
                {{"DATA", "Parquet, CSV or JSON lines"}},
                {{"out", "FILE", "Where to [standard output]; -o FILE too."},
                 {"name", "NAME", "Of the object [as the file is named]."},
                 {"ranges", "", "Also the least and the greatest numbers seen."}},
                [fs](Call& call) { return infer(call, *fs); },
                ""});
  commands.add(
      {"contract diff",
       "Says what a new version of a contract breaks, and for whom.",
       {{"OLD", "the contract before"}, {"NEW", "and after"}},
       {{"mode", "MODE",
         "BACKWARD (old data under the new contract), FORWARD (old readers of new data), FULL; "
         "each also _TRANSITIVE [FULL]."},
        {"earlier", "FILE", "Another old version, for a _TRANSITIVE mode; the oldest first.", false,
         true},
        {"fail-on", "WHAT", "breaking or warn [breaking]."},
        {"readers", "FILE",
         "YAML: who reads what, object.property: [names]; what nobody reads "
         "breaks no reader."},
        {"approved", "", "A higher classification has been approved."}},
       [fs](Call& call) { return diff(call, *fs); },
       "Exits with 6 on a breaking change, or one that needs approval. Things are the same when "
       "their\nids are, so a rename is one."});
  commands.add({"contract import",
                "Turns what another tool says of data into a contract.",
                {{"TOOL", "ge, dbt, pandera, tfdv"}, {"FILE", "suite, schema.yml, schema"}},
                {{"out", "FILE", "Where to [standard output]; -o FILE too."},
                 {"strict", "", "Exit with 6 if something could not be taken over."}},
                [fs](Call& call) { return import(call, *fs); },
                "What a contract has no words for is listed on standard error, one line each."});
}

}  // namespace slip::cli
