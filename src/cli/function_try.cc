#include <algorithm>

#include "base/text.h"
#include "cli/rest.h"
#include "cli/table_files.h"
#include "core/worker/worker.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/process.h"

// function try: a function of features in Python on rows of a file, as a server would run it.
namespace slip::cli {
namespace {

using worker::PythonFunction;

constexpr int64_t kSourceBytesMax = 16 << 20;
constexpr int64_t kNsAMs = 1'000'000;

Result<PythonFunction::Mode> parse_mode(const std::string& name) {
  if (name == "pandas") return PythonFunction::Mode::kPandas;
  if (name == "python") return PythonFunction::Mode::kPython;
  if (name == "singleton") return PythonFunction::Mode::kPythonSingleton;
  return invalid("usage.mode", "--mode is pandas, python or singleton");
}

// "ratio:double,tags:list<item: string>"; commas inside of brackets are the type's.
Result<std::vector<worker::PythonOutput>> parse_outputs(const std::string& text) {
  std::vector<worker::PythonOutput> out;
  size_t begin = 0;
  int depth = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : ',';
    if (c == '<' || c == '[') ++depth;
    if (c == '>' || c == ']') --depth;
    if (c != ',' || (depth > 0 && i < text.size())) continue;
    const std::string_view item = trim(std::string_view(text).substr(begin, i - begin));
    begin = i + 1;
    const size_t colon = item.find(':');
    if (colon == item.npos || colon == 0)
      return invalid("usage.returns", concat({"--returns: `", item, "` is not NAME:TYPE"}))
          .with_hint("--returns ratio:double,label:string");
    out.push_back({std::string(item.substr(0, colon)), std::string(trim(item.substr(colon + 1)))});
  }
  return out;
}

Result<PythonFunction> function_of(const Call& call, Fs& fs) {
  PythonFunction out;
  const std::string file = call.argument(0);
  const std::string pickle = call.text("pickle");
  if (file.empty() && pickle.empty())
    return invalid("usage.function", "name a file with its text, or --pickle, or both");
  out.name = file.empty() ? pickle : file;
  out.mode = TRY(parse_mode(call.text("mode", "pandas")));
  out.entry = call.text("entry");
  out.outputs = TRY(parse_outputs(call.text("returns")));
  if (!file.empty()) out.source = TRY(read_file(fs, file, kSourceBytesMax));
  if (!pickle.empty()) out.pickle = TRY(read_file(fs, pickle, kSourceBytesMax));
  return out;
}

Result<std::string> rows_of(const std::string& path, Fs& fs) {
  const auto file = TRY(FileBytes::open(fs, path));
  const codec::Format format = TRY(table_format(path));
  const auto reader = TRY(codec::open_table(format, *file));
  std::vector<codec::Field> fields;
  for (const codec::Field& f : reader->schema())
    if (f.readable) fields.push_back(f);
  std::string out;
  const auto sink = codec::text_sink(&out);
  const auto writer = TRY(codec::make_table_writer(codec::Format::kArrow, fields, *sink));
  while (const std::optional<codec::Table> batch = TRY(reader->next())) TRY(writer->write(*batch));
  TRY(writer->finish());
  return out;
}

Status print_answer(Call& call, const std::string& answer) {
  const auto source = codec::text_source(answer);
  codec::ReadOptions options;
  options.nested = true;
  options.nanoseconds = true;
  const auto reader = TRY(codec::open_table(codec::Format::kArrow, *source, options));
  std::vector<codec::Field> fields;
  for (const codec::Field& f : reader->schema())
    if (f.readable) fields.push_back(f);
  std::string out;
  const auto sink = codec::text_sink(&out);
  const auto writer = TRY(codec::make_table_writer(codec::Format::kJsonl, fields, *sink));
  while (const std::optional<codec::Table> batch = TRY(reader->next())) TRY(writer->write(*batch));
  TRY(writer->finish());
  call.terminal.out(out);
  return {};
}

std::string ms_text(int64_t ns) {
  const int64_t us = ns / 1000;
  return format_double(static_cast<double>(us) / 1000) + " ms";
}

Result<int> try_function(Call& call, const Machine& machine) {
  const PythonFunction function = TRY(function_of(call, machine.fs));
  const std::string rows = TRY(rows_of(call.text("rows"), machine.fs));
  worker::Options options;
  options.python = call.text("python", machine.process.env("SLIPWAY_PYTHON"));
  if (options.python.empty()) options.python = "python3";
  options.strict = call.on("strict");
  options.call_ms = TRY(call.number("seconds")).value_or(30) * 1000;
  const int64_t times = TRY(call.number("times")).value_or(1);
  if (times < 1 || options.call_ms < 1)
    return invalid("usage.number", "--times and --seconds are at least 1");
  const auto workers =
      worker::make_workers({machine.process, machine.clock, machine.executor, null_log()}, options);
  std::vector<int64_t> took_ns;
  std::string answer;
  for (int64_t i = 0; i < times; ++i) {
    const int64_t begun_ns = machine.clock.steady_ns();
    answer = TRY(workers->call(Ctx(), function, rows));
    took_ns.push_back(machine.clock.steady_ns() - begun_ns);
  }
  TRY(print_answer(call, answer));
  const int64_t first_ns = took_ns.front();
  std::sort(took_ns.begin(), took_ns.end());
  const auto at = [&](size_t percent) { return ms_text(took_ns[took_ns.size() * percent / 100]); };
  call.terminal.err(concat({"first call ", ms_text(first_ns), times > 1 ? ", median " : "",
                            times > 1 ? at(50) : "", times > 1 ? ", 99 % within " : "",
                            times > 1 ? at(99) : "", "\n"}));
  return 0;
}

}  // namespace

void add_function_commands(Commands& commands, const Machine& machine) {
  commands.add(
      {"function try",
       "Runs a Python function on rows of a file, confined as the server confines it.",
       {{"FILE", "Python text that defines it", false}},
       {{"rows", "FILE", "Parquet, CSV or JSON lines.", true},
        {"returns", "COLUMNS", "What it promises: ratio:double,label:string.", true},
        {"mode", "MODE", "pandas, python (dict of lists) or singleton (a row at a time) [pandas]."},
        {"entry", "NAME", "Which function of FILE [the last]."},
        {"pickle", "FILE",
         "What dill or cloudpickle made of it; FILE is for errors then, and in need."},
        {"python", "PATH", "The interpreter [python3] [env: SLIPWAY_PYTHON]."},
        {"strict", "", "Don't, unless all parts of the confinement hold."},
        {"seconds", "N", "How long a call may take [30]."},
        {"times", "N", "Calls it so often, and says how long that takes [1]."}},
       [machine](Call& call) { return try_function(call, machine); },
       "Prints what came back as JSON lines. Needs no server. Types are Arrow's: bool, int64, "
       "float, double,\nstring, binary, timestamp[us, tz=UTC], list<item: double> …"});
}

}  // namespace slip::cli
