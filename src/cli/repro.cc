#include "cli/repro.h"

#include "base/text.h"
#include "cli/files.h"
#include "codec/hash.h"
#include "sys/command.h"
#include "sys/fs.h"

namespace slip::cli {
namespace {

using codec::Json;

constexpr std::string_view kServerData = "data:";

std::string code_text(const Recipe& recipe, std::string_view key) {
  const Json* code = recipe.capture.find("code");
  return code == nullptr ? std::string() : text_of(*code, key);
}

Result<std::string> optional_artifact(Remote& remote, const Json& run, std::string_view path) {
  Result<std::string> found = get_artifact(remote, run, path);
  if (!found.ok() && found.error().code == Code::kNotFound) return std::string();
  return found;
}

Status check_recipe(const Recipe& recipe) {
  const std::string id = text_of(recipe.run, "run_id");
  if (text_of(recipe.capture, "format") != kCaptureFormat)
    return invalid("repro.format", concat({"the record of run ", id, " isn't of a form that this",
                                           " version knows"}));
  for (const char* member : {"command", "data", "outputs"})
    if (const Json* list = recipe.capture.find(member); list == nullptr || !list->is_array())
      return invalid("repro.format", concat({"the record of run ", id, " has no ", member}));
  const std::string status = text_of(recipe.run, "status");
  if (status == "RUNNING" || status == "SCHEDULED")
    return conflict("repro.not_ended", concat({"run ", id, " has not ended"}));
  if (code_text(recipe, "commit").empty())
    return conflict("repro.no_code", concat({"run ", id, " was made outside of a git commit"}))
        .with_hint("commit the code, then slipway run again");
  const bool silent = recipe.run.find("metrics")->members().empty();
  if (silent && recorded_paths(recipe.capture, "outputs").empty())
    return conflict("repro.nothing_to_compare",
                    concat({"run ", id, " has neither a metric nor an output"}))
        .with_hint("slipway run --out FILE -- … names what it makes");
  if (command_of(recipe).empty())
    return conflict("repro.no_record", concat({"run ", id, " names no command"}));
  const std::string digest = code_text(recipe, "patch_sha256");
  if (!digest.empty() && codec::sha256(recipe.patch).hex() != digest)
    return corrupt("repro.patch", "the patch isn't the one that was recorded");
  return {};
}

Result<Printed> git(Process& process, std::vector<std::string> words,
                    const std::string& directory) {
  words.insert(words.begin(), "git");
  return output_of(process, {.argv = std::move(words), .cwd = directory}, kToolOutputMax);
}

bool has_commit(Process& process, const std::string& where, const std::string& commit) {
  if (where.empty()) return false;
  const Result<Printed> found =
      git(process, {"-C", where, "cat-file", "-e", commit + "^{commit}"}, "");
  return found.ok() && found->code == 0;
}

Result<std::string> repository_with(const Machine& machine, const Recipe& recipe,
                                    const std::string& named) {
  const std::string commit = code_text(recipe, "commit");
  std::vector<std::string> places = {code_text(recipe, "root"), machine.process.working_dir()};
  if (!named.empty()) places = {named};
  for (const std::string& place : places)
    if (has_commit(machine.process, place, commit)) return place;
  const std::string remote = code_text(recipe, "remote");
  if (named.empty() && !remote.empty()) return remote;
  return not_found("repro.commit", concat({"no repository here has commit ", commit}))
      .with_hint("--repo PATH names one that does");
}

}  // namespace

std::vector<std::string> command_of(const Recipe& recipe) {
  std::vector<std::string> out;
  if (const Json* words = recipe.capture.find("command"); words != nullptr && words->is_array())
    for (const Json& word : words->items())
      if (word.is_string()) out.push_back(word.as_string());
  return out;
}

std::vector<std::string> recorded_paths(const Json& capture, std::string_view member) {
  std::vector<std::string> out;
  if (const Json* items = capture.find(member); items != nullptr && items->is_array())
    for (const Json& item : items->items()) out.push_back(text_of(item, "path"));
  return out;
}

Result<Recipe> fetch_recipe(Remote& remote, const std::string& ref) {
  Recipe out;
  out.run = TRY(find_run(remote, ref));
  const std::string record = TRY(optional_artifact(remote, out.run, kCaptureFile));
  if (record.empty())
    return conflict("repro.no_record",
                    concat({"run ", text_of(out.run, "run_id"), " has no record of its making"}))
        .with_hint("slipway run -- COMMAND, or slipway.capture() of the Python SDK, keeps one");
  out.capture = TRY(codec::parse_json(record));
  if (!out.capture.is_object())
    return invalid("repro.format", concat({kCaptureFile, " is no record"}));
  out.patch = TRY(optional_artifact(remote, out.run, kPatchFile));
  out.packages = TRY(optional_artifact(remote, out.run, kPackagesFile));
  TRY(check_recipe(out));
  return out;
}

Status check_out(const Machine& machine, const Recipe& recipe, const std::string& repository,
                 const std::string& into) {
  Process& process = machine.process;
  const std::string from = TRY(repository_with(machine, recipe, repository));
  const std::string commit = code_text(recipe, "commit");
  const Printed cloned =
      TRY(git(process, {"clone", "--quiet", "--no-checkout", "--", from, into}, ""));
  if (cloned.code != 0)
    return not_found("repro.commit", concat({"git clone ", from, ": ", trim(cloned.err)}));
  const Printed at = TRY(
      git(process, {"-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", commit},
          into));
  if (at.code != 0) return not_found("repro.commit", concat({from, ": ", trim(at.err)}));
  if (recipe.patch.empty()) return {};
  const std::string file = into + ".patch";
  TRY(TRY(machine.fs.open(file, OpenMode::kTruncate))->append(recipe.patch));
  const Printed applied =
      TRY(git(process, {"apply", "--binary", "--whitespace=nowarn", "--", file}, into));
  if (applied.code != 0)
    return conflict("repro.patch_failed", concat({"git apply: ", trim(applied.err)}));
  return {};
}

Status restore_data(Fs& fs, Remote& remote, const Recipe& recipe, const std::string& directory) {
  for (const Json& data : recipe.capture.find("data")->items()) {
    const std::string path = text_of(data, "path");
    const std::string wanted = text_of(data, "sha256");
    std::string now;
    if (path.starts_with(kServerData)) {
      const size_t at = path.rfind('@');
      const std::string name = path.substr(kServerData.size(), at - kServerData.size());
      const std::string version = at == path.npos ? "" : path.substr(at + 1);
      now = text_of(TRY(remote.get(concat({"/datasets/", percent_encode(name), "/versions/",
                                           percent_encode(version)}))),
                    "digest");
      if (now.starts_with("sha256:")) now.erase(0, 7);
    } else {
      const std::string there = path_in(directory, path);
      if (!fs.stat(there).ok()) {
        const std::string original = text_of(data, "at");
        if (original.empty() || !fs.stat(original).ok())
          return not_found("repro.data_gone", concat({path, " is gone; it was ", original}));
        TRY(copy_file(fs, original, there));
      }
      now = TRY(digest_file(fs, there)).sha256;
    }
    if (now != wanted)
      return corrupt("repro.data_changed",
                     concat({path, " has changed: sha256 ", now, ", it was ", wanted}));
  }
  return {};
}

}  // namespace slip::cli
