#include "core/worker/jail.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

#include "base/text.h"
#include "codec/json.h"
#include "core/worker/frames.h"
#include "sys/command.h"
#include "sys/jail.h"

extern const char slipway_worker_begin[];
extern const char slipway_worker_end[];

namespace slip::worker {
namespace {

using codec::Json;

constexpr int kServerFd = 3;
constexpr int64_t kProbeBytesMax = 1 << 20;
constexpr int64_t kScratchBytes = 16 << 20;
// Libraries, code and what is mapped for later aren't written memory.
constexpr int64_t kMappedBytes = int64_t{3} << 30;

std::string script() {
  return {slipway_worker_begin, static_cast<size_t>(slipway_worker_end - slipway_worker_begin)};
}

struct Spec {
  std::string python;
  std::string user;
  bool strict = false;
  int64_t memory_bytes = 0;
  int64_t answer_bytes = 0;
  std::vector<std::string> private_dirs;
};

std::vector<std::string> texts_of(const Json& object, std::string_view key) {
  std::vector<std::string> out;
  const Json* list = object.find(key);
  if (list == nullptr || !list->is_array()) return out;
  for (const Json& item : list->items())
    if (item.is_string()) out.push_back(item.as_string());
  return out;
}

Result<Spec> parse_spec(std::string_view text) {
  const Json json = TRY(codec::parse_json(text));
  Spec out;
  out.python = TRY(codec::want_string(json, "python"));
  out.user = TRY(codec::want_string(json, "user"));
  out.strict = TRY(codec::want_bool(json, "strict"));
  out.memory_bytes = TRY(codec::want_int(json, "memory_bytes"));
  out.answer_bytes = TRY(codec::want_int(json, "answer_bytes"));
  out.private_dirs = texts_of(json, "private_dirs");
  return out;
}

// What worker.py's probe says of the interpreter.
struct Python {
  std::string program;
  std::string version;  // "3.11.2"
  std::vector<std::string> prefixes;
  std::vector<std::string> path;
  std::vector<std::string> absent;
};

std::string where(const Spec& spec) {
  const bool is_path = spec.python.find('/') != std::string::npos;
  return is_path ? spec.python : spec.python + " of PATH";
}

Result<Python> look_at(Process& process, const Spec& spec) {
  const auto missing = [&](std::string_view what) {
    return unavailable("worker.unavailable",
                       concat({where(spec), " ", what, ": set --python (or --python off)"}));
  };
  SpawnOptions options;
  options.argv = {spec.python, "-B", "-c", script(), "probe"};
  const Result<Printed> printed = output_of(process, options, kProbeBytesMax);
  if (!printed.ok() && printed.error().code == Code::kNotFound) return missing("isn't there");
  if (!printed.ok()) return missing(concat({"can't be run: ", printed.error().text}));
  const Result<Json> facts = codec::parse_json(trim(printed->out));
  if (printed->code != 0 || !facts.ok()) {
    const std::string_view words = trim(printed->err);
    const std::string_view last = words.substr(words.rfind('\n') + 1);
    return missing(concat({"can't be run: ", last}));
  }
  Python out;
  out.program = TRY(codec::want_string(*facts, "executable"));
  out.prefixes = texts_of(*facts, "prefixes");
  out.path = texts_of(*facts, "path");
  out.absent = texts_of(*facts, "absent");
  if (const Json* version = facts->find("version"); version != nullptr && version->is_array())
    for (const Json& n : version->items())
      if (n.is_int()) out.version += (out.version.empty() ? "" : ".") + std::to_string(n.as_int());
  if (std::find(out.absent.begin(), out.absent.end(), "pyarrow") != out.absent.end())
    return unavailable("worker.unavailable",
                       concat({where(spec),
                               " has no module pyarrow: install it there, or set "
                               "--python"}));
  return out;
}

std::string real_path(const std::string& path) {
  std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
  return real ? std::string(real.get()) : std::string();
}

std::vector<std::string> readable(const Process& process, const Python& python) {
  std::vector<std::string> out = python.prefixes;
  out.insert(out.end(), python.path.begin(), python.path.end());
  const std::string libraries = process.env("LD_LIBRARY_PATH");
  for (const std::string_view dir : split(libraries, ':'))
    if (dir.starts_with('/')) out.emplace_back(dir);
  // Debian's interpreter reads its sitecustomize there.
  const size_t minor = python.version.rfind('.');
  out.push_back("/etc/python3");
  out.push_back("/etc/python" + python.version.substr(0, minor));
  std::erase_if(out, [](const std::string& path) { return real_path(path) == "/"; });
  return out;
}

// What the interpreter will be told to look at.
std::vector<std::string> places_named(const Process& process, const Spec& spec) {
  std::vector<std::string> out = {spec.python};
  for (const char* name : {"PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH"}) {
    const std::string value = process.env(name);
    for (const std::string_view place : split(value, ':')) out.emplace_back(place);
  }
  return out;
}

// The first of the server's own folders that lies where workers may read; "" when none does.
std::string exposed(const Spec& spec, const std::vector<std::string>& places) {
  for (const std::string& dir : spec.private_dirs) {
    const std::string mine = real_path(dir) + "/";
    for (const std::string& place : places) {
      const std::string real = real_path(place);
      if (!real.empty() && mine.starts_with(real + "/")) return concat({dir, " lies below ", real});
    }
    if (mine.starts_with("/usr/")) return dir + " lies below /usr";
  }
  return {};
}

void tell(Json head) {
  const std::string bytes = encode_frame({.head = std::move(head), .body = ""});
  std::string_view left = bytes;
  while (!left.empty()) {
    const ssize_t n = ::write(kServerFd, left.data(), left.size());
    if (n < 0 && errno != EINTR) return;  // Nobody listens.
    if (n > 0) left.remove_prefix(static_cast<size_t>(n));
  }
}

Json to_json(const std::vector<sys::JailPart>& parts) {
  Json out = Json::array();
  for (const sys::JailPart& p : parts)
    out.push(Json::object({{"name", p.name}, {"holds", p.holds}, {"text", p.text}}));
  return out;
}

// Another user and a control group are more than strict asks for: they need rights of the server.
// A scratch folder is a convenience.
bool is_required(const sys::JailPart& part) {
  return part.name != "user" && part.name != "group" && part.name != "scratch";
}

std::map<std::string, std::string> environment(const Process& process) {
  std::map<std::string, std::string> out;
  for (const char* name :
       {"PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH"})
    if (std::string value = process.env(name); !value.empty()) out[name] = std::move(value);
  // One call, one thread: calls share the machine by being several.
  for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
                           "NUMEXPR_NUM_THREADS", "MALLOC_ARENA_MAX"})
    out[name] = "1";
  out["PYTHONDONTWRITEBYTECODE"] = "1";
  return out;
}

std::string config_of(const Spec& spec, const Python& python, const std::string& scratch) {
  Json path = Json::array();
  for (const std::string& entry : python.path) path.push(entry);
  return codec::to_json(Json::object({{"path", std::move(path)},
                                      {"answer_bytes", spec.answer_bytes},
                                      {"scratch", scratch.empty() ? "/tmp" : scratch}}));
}

Status become_worker(Process& process, std::string_view spec_json) {
  const Spec spec = TRY(parse_spec(spec_json));
  std::vector<sys::JailPart> parts;
  sys::JailSpec jail;
  jail.scratch = sys::make_scratch(places_named(process, spec), kScratchBytes);
  parts.push_back({"scratch", !jail.scratch.empty(),
                   jail.scratch.empty() ? "the kernel lets it have none"
                                        : concat({format_size(kScratchBytes), " in memory"})});
  if (!spec.user.empty()) TRY(sys::become_user(spec.user));
  parts.push_back({"user", !spec.user.empty(),
                   spec.user.empty() ? "the server's own: set --workers-user" : spec.user});
  const Python python = TRY(look_at(process, spec));
  jail.program = python.program;
  jail.readable = readable(process, python);
  jail.own_user = !spec.user.empty();
  jail.memory_bytes = spec.memory_bytes;
  jail.address_bytes = spec.memory_bytes + kMappedBytes;
  if (::chdir("/") != 0)
    return unavailable("worker.unavailable", "a worker can't leave its folder");
  const std::string open = exposed(spec, jail.readable);
  parts.push_back({"data", open.empty(), open.empty() ? "out of reach" : open});
  for (sys::JailPart& part : sys::enter_jail(jail, kServerFd)) parts.push_back(std::move(part));
  parts.push_back({"group", false, "none: limits are the process's own"});

  Json absent = Json::array();
  for (const std::string& name : python.absent) absent.push(name);
  Json head = Json::object({{"jail", to_json(parts)},
                            {"python", concat({python.program, " ", python.version})},
                            {"absent", std::move(absent)}});
  for (const sys::JailPart& part : parts)
    if (spec.strict && is_required(part) && !part.holds) {
      head.set("failed", concat({"workers aren't isolated as --workers-isolation strict asks: ",
                                 part.name, ": ", part.text}));
      tell(std::move(head));
      return {};
    }
  tell(std::move(head));
  ::fcntl(kServerFd, F_SETFD, 0);
  return sys::exec_jailed(
      jail, {python.program, "-B", "-c", script(), config_of(spec, python, jail.scratch)},
      environment(process));
}

}  // namespace

int jail_main(Process& process, std::string_view spec_json) {
  ::fcntl(kServerFd, F_SETFD, FD_CLOEXEC);
  const Status failed = become_worker(process, spec_json);
  if (!failed.ok()) tell(Json::object({{"jail", Json::array()}, {"failed", failed.error().text}}));
  return 1;
}

}  // namespace slip::worker
