#include "cli/capture.h"

#include "base/text.h"
#include "cli/files.h"
#include "codec/hash.h"
#include "sys/clock.h"
#include "sys/command.h"
#include "sys/fs.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr size_t kProcBytesMax = 16 << 20;
constexpr int64_t kLockBytesMax = 64 << 20;
constexpr size_t kCommandTagMax = 5000;
constexpr std::string_view kServerData = "data:";

// A dataset of the server by name and version; the newest when none is said.
Result<Json> server_data(Remote& remote, std::string_view ref) {
  const size_t at = ref.rfind('@');
  const std::string name(ref.substr(0, at));
  const std::string path = concat({"/datasets/", percent_encode(name)});
  std::string version(at == ref.npos ? std::string_view() : ref.substr(at + 1));
  if (version.starts_with('v')) version.erase(0, 1);
  if (version.empty())
    version = std::to_string(TRY(codec::want_int(TRY(remote.get(path)), "latest_version")));
  const Json found = TRY(remote.get(concat({path, "/versions/", percent_encode(version)})));
  std::string digest = text_of(found, "digest");
  if (digest.starts_with("sha256:")) digest.erase(0, 7);
  const int64_t bytes = TRY(codec::int_or(found, "bytes", 0));
  return Json::object({{"path", concat({kServerData, name, "@", version})},
                       {"at", ""},
                       {"sha256", digest},
                       {"bytes", bytes}});
}

Result<std::vector<Json>> data_of(Fs& fs, Remote& remote, const CaptureSpec& spec) {
  std::vector<Json> out;
  for (const std::string& ref : spec.data) {
    if (ref.starts_with(kServerData)) {
      out.push_back(TRY(server_data(remote, std::string_view(ref).substr(kServerData.size()))));
      continue;
    }
    const std::string at = path_in(spec.directory, ref);
    const FileDigest digest = TRY(digest_file(fs, at));
    out.push_back(Json::object(
        {{"path", ref}, {"at", at}, {"sha256", digest.sha256}, {"bytes", digest.bytes}}));
  }
  return out;
}

// Those of the nearest directory that has some, upwards to the repository's root.
Result<std::vector<Json>> locks_of(Fs& fs, const std::string& directory, std::string prefix,
                                   Texts* files) {
  std::vector<Json> out;
  std::string folder = directory;
  while (true) {
    const auto listed = fs.list(folder);
    if (!listed.ok()) return out;
    for (const FileInfo& file : *listed) {
      if (file.is_dir || !is_lock_file(file.name)) continue;
      const std::string text = TRY(read_file(fs, path_in(folder, file.name), kLockBytesMax));
      const std::string name = prefix + file.name;
      const std::string artifact = "slipway/locks/" + name;
      out.push_back(Json::object(
          {{"path", name}, {"artifact", artifact}, {"sha256", codec::sha256(text).hex()}}));
      (*files)[artifact] = text;
    }
    if (!out.empty() || prefix.empty()) return out;
    prefix.pop_back();  // "a/b/" → "a/"
    const size_t slash = prefix.rfind('/');
    prefix.erase(slash == prefix.npos ? 0 : slash + 1);
    folder = parent_dir(folder);
  }
}

Json as_object(const Texts& texts) {
  Json out = Json::object();
  for (const auto& [name, value] : texts) out.set(name, value);
  return out;
}

Json as_array(const std::vector<std::string>& texts) {
  Json out = Json::array();
  for (const std::string& text : texts) out.push(text);
  return out;
}

std::string printed_by(Process& process, std::vector<std::string> argv) {
  const Result<Printed> printed =
      output_of(process, {.argv = std::move(argv)}, static_cast<int64_t>(kProcBytesMax));
  return printed.ok() ? printed->out : std::string();
}

std::string text_at(const Json& object, std::string_view outer, std::string_view key) {
  const Json* inner = object.find(outer);
  return inner == nullptr ? std::string() : text_of(*inner, key);
}

}  // namespace

Result<Capture> take_capture(const Machine& machine, Remote& remote, const CaptureSpec& spec) {
  Capture out;
  const std::vector<Json> data = TRY(data_of(machine.fs, remote, spec));
  const CodeState code = TRY(code_of(machine, spec.directory, spec.outputs));
  if (!code.patch.empty()) out.files[std::string(kPatchFile)] = code.patch;
  const Json probe = TRY(probe_python(machine, spec));
  const std::vector<Json> locks =
      TRY(locks_of(machine.fs, spec.directory, code.prefix, &out.files));
  const Json environment =
      environment_of(probe, locks, machine.process.env("SLIPWAY_CONTAINER_DIGEST"));
  if (!text_of(environment, "packages").empty()) {
    std::string& lines = out.files[std::string(kPackagesFile)];
    for (const Json& line : probe.find("packages")->items())
      lines += concat({line.is_string() ? line.as_string() : "", "\n"});
  }
  Texts determinism = determinism_of(printed_by(machine.process, {"env", "-0"}));
  for (const auto& [name, value] : spec.env)
    if (determinism_of(concat({name, "=", value})).size() == 1) determinism[name] = value;
  const Result<std::string> cpuinfo = read_stream(machine.fs, "/proc/cpuinfo", kProcBytesMax);
  std::string directory = code.prefix;
  if (directory.ends_with('/')) directory.pop_back();
  out.record = Json::object(
      {{"format", kCaptureFormat},
       {"tool", "slipway run"},
       {"captured_ms", machine.clock.now_ms()},
       {"command", as_array(spec.argv)},
       {"directory", directory},
       {"code", code.record},
       {"environment", environment},
       {"machine", machine_of(printed_by(machine.process, {"uname", "-sm"}),
                              cpuinfo.ok() ? *cpuinfo : "", machine.process.cpu_count())},
       {"determinism", as_object(determinism)},
       {"data", Json::array(data)},
       {"outputs", Json::array()},
       {"exit", Json()}});
  return out;
}

Texts capture_tags(const Json& record) {
  Texts out = {{"slipway.capture", std::string(kCaptureFormat)}};
  std::vector<std::string> words;
  if (const Json* command = record.find("command"); command != nullptr && command->is_array())
    for (const Json& word : command->items()) words.push_back(word.as_string());
  out["slipway.command"] = utf8_prefix(join(words, " "), kCommandTagMax);
  if (!words.empty()) {
    out["mlflow.source.name"] = utf8_prefix(words.front(), kCommandTagMax);
    out["mlflow.source.type"] = "LOCAL";
  }
  const auto set = [&](const char* tag, std::string value) {
    if (!value.empty()) out[tag] = std::move(value);
  };
  set("mlflow.source.git.commit", text_at(record, "code", "commit"));
  set("mlflow.source.git.branch", text_at(record, "code", "branch"));
  set("mlflow.source.git.repoURL", text_at(record, "code", "remote"));
  set("slipway.code.patch_sha256", text_at(record, "code", "patch_sha256"));
  if (const Json* code = record.find("code"); code != nullptr && code->is_object())
    out["slipway.code.dirty"] =
        code->find("dirty") != nullptr && *code->find("dirty") == Json(true) ? "true" : "false";
  if (const Json* environment = record.find("environment"); environment != nullptr) {
    set("slipway.environment.python", text_at(*environment, "interpreter", "version"));
    set("slipway.environment.packages_sha256", text_of(*environment, "packages_sha256"));
    set("slipway.environment.container_digest", text_of(*environment, "container_digest"));
  }
  return out;
}

}  // namespace slip::cli
