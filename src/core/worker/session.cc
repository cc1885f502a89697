#include "core/worker/session.h"

#include <array>

#include "base/text.h"
#include "codec/arrow_shape.h"
#include "codec/hash.h"
#include "sys/clock.h"
#include "sys/log.h"

namespace slip::worker {
namespace {

using codec::Json;
using enum Outcome::Process;

constexpr size_t kFunctionsMax = 256;  // Of one process; then it is renewed.
constexpr size_t kTextMax = 4000;      // Of what a worker says of an error.
constexpr size_t kLastWordsMax = 4 << 10;
constexpr int64_t kBurialMs = 2000;  // How long a process may take to be gone after its stream.
constexpr int64_t kLookMs = 200;
constexpr int64_t kTakeMs = 10'000;  // A worker that is idle reads a request at once.
constexpr int kKillSignal = 9;

// The worker's word for what went wrong, and ours.
struct Trouble {
  std::string_view word;
  Code code;
  std::string_view reason;
};
constexpr std::array<Trouble, 7> kTroubles = {{
    {"failed", Code::kInvalid, "worker.failed"},
    {"function", Code::kInvalid, "worker.function"},
    {"output", Code::kInvalid, "worker.output"},
    {"rows", Code::kInvalid, "worker.rows"},
    {"memory", Code::kExhausted, "worker.memory"},
    {"too_large", Code::kExhausted, "worker.too_large"},
    {"unavailable", Code::kUnavailable, "worker.unavailable"},
}};

std::string_view mode_name(PythonFunction::Mode mode) {
  switch (mode) {
    case PythonFunction::Mode::kPandas:
      return "pandas";
    case PythonFunction::Mode::kPython:
      return "python";
    case PythonFunction::Mode::kPythonSingleton:
      return "singleton";
  }
  CHECK(false);
}

std::string text_at(const Json& object, std::string_view key) {
  const Json* found = object.find(key);
  if (found == nullptr || !found->is_string()) return {};
  const std::string& text = found->as_string();
  return std::string(utf8_prefix(text, kTextMax));
}

bool is_true(const Json& object, std::string_view key) {
  const Json* found = object.find(key);
  return found != nullptr && found->is_bool() && found->as_bool();
}

std::vector<Part> parts_of(const Json& head) {
  std::vector<Part> out;
  const Json* parts = head.find("jail");
  if (parts == nullptr || !parts->is_array()) return out;
  for (const Json& p : parts->items())
    out.push_back({text_at(p, "name"), is_true(p, "holds"), text_at(p, "text")});
  return out;
}

std::vector<std::string> texts_at(const Json& head, std::string_view key) {
  std::vector<std::string> out;
  const Json* found = head.find(key);
  if (found == nullptr || !found->is_array()) return out;
  for (const Json& item : found->items())
    if (item.is_string()) out.push_back(item.as_string());
  return out;
}

// What of the server's environment a worker may see; the jail leaves HOME out before Python starts.
constexpr std::array<const char*, 9> kPassedOn = {
    "PATH",         "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH",
    "PYENV_VERSION"};

SpawnOptions spawn_options(const Deps& deps, const Options& options) {
  SpawnOptions out;
  out.argv = options.launcher;
  Json dirs = Json::array();
  for (const std::string& dir : options.private_dirs) dirs.push(dir);
  const auto size = [](size_t n) { return static_cast<int64_t>(n); };
  out.argv.push_back(codec::to_json(Json::object({{"python", options.python},
                                                  {"strict", options.strict},
                                                  {"user", options.user},
                                                  {"memory_bytes", options.memory_bytes},
                                                  {"answer_bytes", size(options.answer_bytes_max)},
                                                  {"private_dirs", std::move(dirs)}})));
  out.inherit_env = false;
  for (const char* name : kPassedOn)
    if (const std::string value = deps.process.env(name); !value.empty()) out.env[name] = value;
  return out;
}

std::string_view last_line(std::string_view text) {
  text = trim(text);
  const size_t at = text.rfind('\n');
  return trim(at == text.npos ? text : text.substr(at + 1));
}

}  // namespace

Definition define(const PythonFunction& function) {
  const auto pairs = [](const std::vector<PythonOutput>& columns) {
    Json out = Json::array();
    for (const PythonOutput& o : columns) out.push(Json::array({o.name, o.type}));
    return out;
  };
  Definition out;
  out.json = codec::to_json(Json::object({{"name", function.name},
                                          {"mode", mode_name(function.mode)},
                                          {"entry", function.entry},
                                          {"lists", pairs(function.lists)},
                                          {"outputs", pairs(function.outputs)}}));
  out.bytes = function.source + function.pickle;
  out.source_bytes = function.source.size();
  codec::Sha256Stream digest;
  digest.update(concat({out.json, "\n", std::to_string(out.source_bytes), "\n"}));
  digest.update(out.bytes);
  out.digest = digest.finish().hex();
  return out;
}

Result<std::unique_ptr<Session>> Session::start(const World& world, Level* level) {
  const auto& [deps, options, stopping] = world;
  const int64_t deadline_ns = deps.clock.steady_ns() + options.start_ms * 1'000'000;
  Result<Connected> process = deps.process.spawn_connected(spawn_options(deps, options));
  if (!process.ok())
    return unavailable("worker.unavailable", "a worker can't be started: " + process.error().text);
  std::unique_ptr<Session> out(new Session(world, std::move(*process)));
  TRY(out->greet(level, deadline_ns));
  return out;
}

// Looks up now and then whether the server is about to end.
Result<Frame> Session::next_frame(int64_t deadline_ns) {
  while (true) {
    const int64_t now_ns = world_.deps.clock.steady_ns();
    const int64_t look_ns = std::min(deadline_ns, now_ns + kLookMs * 1'000'000);
    Result<Frame> frame = read_frame(*process_.conn, reader_, look_ns);
    if (frame.ok() || frame.error().code != Code::kTimeout || look_ns == deadline_ns) return frame;
    if (world_.stopping.load()) return unavailable("net.closed", "the server is ending");
  }
}

// The jail says first how it holds, then Python that it is there.
Status Session::greet(Level* level, int64_t deadline_ns) {
  for (const std::string_view step : {"jail", "hello"}) {
    const Result<Frame> frame = next_frame(deadline_ns);
    if (!frame.ok()) {
      const bool late = frame.error().code == Code::kTimeout;
      return unavailable("worker.unavailable",
                         late ? "a worker didn't start in time"
                              : concat({"a worker ", how_it_ended(), " as it started"}));
    }
    if (frame->head.find("jail") != nullptr) {
      level->python = text_at(frame->head, "python");
      level->absent = texts_at(frame->head, "absent");
      level->parts = parts_of(frame->head);
    }
    if (const Json* failed = frame->head.find("failed"); failed != nullptr)
      return unavailable("worker.unavailable", text_at(frame->head, "failed"));
    if (frame->head.find(step) == nullptr)
      return unavailable("worker.unavailable", "a worker didn't introduce itself");
  }
  return {};
}

std::string Session::last_words() {
  return process_.printed ? process_.printed(kLastWordsMax) : std::string();
}

// Waits for its end, and ends it if need be.
std::string Session::how_it_ended() {
  Result<Exit> exit = process_.child->wait(kBurialMs);
  if (!exit.ok()) {
    ignore(process_.child->signal(kKillSignal), "it may be gone by now");
    return "broke off";
  }
  const std::string words = last_words();
  if (!words.empty()) world_.deps.log.warn("worker's last words", {{"text", words}});
  const std::string_view line = utf8_prefix(is_utf8(words) ? last_line(words) : "", 300);
  const std::string how = exit->signal != 0
                              ? concat({"was killed by signal ", std::to_string(exit->signal)})
                              : concat({"ended with status ", std::to_string(exit->code)});
  return line.empty() ? how : concat({how, " (", line, ")"});
}

Outcome Session::broken(const Error& error, bool taken) {
  if (error.code == Code::kTimeout && !taken)  // What ran in it before left something behind.
    return {kUnread, unavailable("worker.died", "its worker didn't listen and was ended")};
  if (error.code == Code::kTimeout)
    return {kKilled,
            timed_out("worker.deadline",
                      concat({"no answer within ", std::to_string(world_.options.call_ms / 1000),
                              " s; its worker was ended"}))};
  if (error.reason == "worker.too_large")
    return {kKilled, exhausted("worker.too_large", "its answer: " + error.text)};
  if (error.reason == "worker.frame")
    return {kKilled, unavailable("worker.died", "its worker spoke out of turn and was ended")};
  const std::string how = how_it_ended();
  if (!taken) return {kUnread, unavailable("worker.died", concat({"its worker ", how}))};
  return {kKilled, unavailable("worker.died", concat({"its worker ", how}))};
}

Result<Frame> Session::reply(int64_t id, int64_t deadline_ns) {
  Frame frame = TRY(next_frame(deadline_ns));
  const Json* of = frame.head.find("id");
  if (of == nullptr || !of->is_int() || of->as_int() != id)
    return invalid("worker.frame", "an answer to another request");
  return frame;
}

Outcome Session::run(const Definition& definition, std::string_view rows, int64_t deadline_ns) {
  const int64_t id = ++last_id_;
  const auto size = [](size_t n) { return static_cast<int64_t>(n); };
  Frame request;
  request.head = Json::object({{"id", id}, {"call", definition.digest}});
  if (!known_.contains(definition.digest)) {
    request.head.set("define",
                     Json::array({size(definition.json.size()), size(definition.source_bytes),
                                  size(definition.bytes.size() - definition.source_bytes)}));
    request.body = definition.json + definition.bytes;
  }
  request.body += rows;
  const int64_t take_ns = world_.deps.clock.steady_ns() + kTakeMs * 1'000'000;
  const Status sent = process_.conn->write(encode_frame(request), take_ns);
  if (!sent.ok()) return broken(sent.error(), false);
  const Result<Frame> taken = reply(id, take_ns);
  if (!taken.ok()) return broken(taken.error(), false);
  if (!is_true(taken->head, "taken"))
    return broken(invalid("worker.frame", "an answer before the request was read"), true);
  const Result<Frame> answer = reply(id, deadline_ns);
  if (!answer.ok()) return broken(answer.error(), true);
  return finish(definition, *answer);
}

Outcome Session::finish(const Definition& definition, const Frame& reply) {
  if (is_true(reply.head, "defined")) known_.insert(definition.digest);
  const bool full = known_.size() >= kFunctionsMax;
  const Json* error = reply.head.find("error");
  if (error == nullptr) return {full ? kSpent : kAlive, reply.body};
  const std::string word = text_at(*error, "word");
  for (const Trouble& t : kTroubles) {
    if (t.word != word) continue;
    const bool spent = full || t.reason == "worker.memory";
    return {spent ? kSpent : kAlive,
            Error{t.code, std::string(t.reason), text_at(*error, "text"), {}}};
  }
  return broken(invalid("worker.frame", "an error without a name"), true);
}

Status check_answer(const PythonFunction& function, std::string_view answer, int64_t rows) {
  const Result<codec::ArrowShape> shape = codec::arrow_shape(answer);
  if (!shape.ok())
    return invalid("worker.output", concat({"its answer is no table: ", shape.error().text}));
  if (shape->rows != rows)
    return invalid("worker.rows",
                   concat({std::to_string(shape->rows), " rows for ", std::to_string(rows)}));
  for (size_t i = 0; i < function.outputs.size(); ++i) {
    const PythonOutput& want = function.outputs[i];
    if (i >= shape->columns.size() || shape->columns[i].name != want.name)
      return invalid("worker.output", concat({"column `", want.name, "` is missing"}));
    if (shape->columns[i].type != want.type)
      return invalid("worker.output", concat({"column `", want.name, "` is ",
                                              shape->columns[i].type, ", not ", want.type}));
  }
  if (shape->columns.size() != function.outputs.size())
    return invalid("worker.output", "more columns than were promised");
  return {};
}

}  // namespace slip::worker
