#include <algorithm>
#include <array>
#include <set>

#include "base/text.h"
#include "cli/capture.h"
#include "codec/hash.h"
#include "sys/command.h"
#include "sys/process.h"

// The interpreter with its packages, lock files, the variables and the machine that decide about
// the last bit.
namespace slip::cli {
namespace {

using codec::Json;

constexpr std::array<std::string_view, 7> kLocks = {
    "uv.lock",        "poetry.lock",     "pdm.lock",        "Pipfile.lock",
    "conda-lock.yml", "environment.yml", "environment.yaml"};
constexpr std::array<std::string_view, 12> kNames = {"PYTHONHASHSEED",
                                                     "CUBLAS_WORKSPACE_CONFIG",
                                                     "NVIDIA_TF32_OVERRIDE",
                                                     "CUDA_VISIBLE_DEVICES",
                                                     "CUDA_LAUNCH_BLOCKING",
                                                     "NUMEXPR_NUM_THREADS",
                                                     "VECLIB_MAXIMUM_THREADS",
                                                     "PL_GLOBAL_SEED",
                                                     "SEED",
                                                     "TZ",
                                                     "LANG",
                                                     "LC_ALL"};
constexpr std::array<std::string_view, 16> kPrefixes = {
    "OMP_",   "MKL_",  "OPENBLAS_", "BLIS_",  "GOTO_", "KMP_", "TORCH_", "PYTORCH_",
    "CUDNN_", "NCCL_", "NPY_",      "NUMPY_", "TF_",   "XLA_", "JAX_",   "CUBLAS_"};
constexpr std::array<std::string_view, 5> kSecrets = {"TOKEN", "SECRET", "PASSWORD", "KEY",
                                                      "CREDENTIAL"};

// The first distribution of a name on the path is the one that gets imported.
constexpr std::string_view kProbe = R"py(
import json, platform, sys
from importlib import metadata
lines = {}
def bare(url):
    head, mark, rest = url.partition('://')
    host, slash, path = rest.partition('/')
    return head + mark + host.rsplit('@', 1)[-1] + slash + path
for found in metadata.distributions():
    name = found.metadata['Name']
    if not name:
        continue
    line = name + '==' + found.version
    try:
        origin = json.loads(found.read_text('direct_url.json') or '{}')
    except ValueError:
        origin = {}
    url, vcs = bare(origin.get('url', '')), origin.get('vcs_info', {})
    if vcs:
        line = name + ' @ ' + vcs.get('vcs', 'git') + '+' + url + '@' + vcs.get('commit_id', '')
    elif url.startswith(('http://', 'https://')):
        line = name + ' @ ' + url
    elif url:
        line = '# local: ' + line
    lines.setdefault(name.lower().replace('_', '-').replace('.', '-'), line)
print(json.dumps({'interpreter': {
    'path': sys.executable, 'base': getattr(sys, '_base_executable', sys.executable),
    'version': platform.python_version(), 'implementation': platform.python_implementation()},
    'packages': [lines[key] for key in sorted(lines)]}))
)py";

std::string base_name(std::string_view path) {
  return std::string(path.substr(path.rfind('/') + 1));
}

// The words that start the interpreter which the command will use.
std::vector<std::string> interpreter_of(const Machine& machine, const CaptureSpec& spec) {
  if (!spec.interpreter.empty()) return {spec.interpreter};
  const std::string first = base_name(spec.argv[0]);
  if (first.starts_with("python") || first.starts_with("pypy")) return {spec.argv[0]};
  if (first == "uv" && spec.argv.size() > 1 && spec.argv[1] == "run")
    return {spec.argv[0], "run", "python"};
  if (const std::string venv = machine.process.env("VIRTUAL_ENV"); !venv.empty())
    return {venv + "/bin/python"};
  return {"python3"};
}

}  // namespace

bool is_lock_file(std::string_view name) {
  if (name.starts_with("requirements") && name.ends_with(".txt")) return true;
  return std::ranges::find(kLocks, name) != kLocks.end();
}

Result<Json> probe_python(const Machine& machine, const CaptureSpec& spec) {
  std::vector<std::string> argv = interpreter_of(machine, spec);
  argv.insert(argv.end(), {"-c", std::string(kProbe)});
  const Result<Printed> printed =
      output_of(machine.process, {.argv = std::move(argv), .env = spec.env, .cwd = spec.directory},
                kToolOutputMax);
  // A command that isn't Python's is fine, and so is one whose interpreter can't be asked.
  const Json none = Json::object({{"interpreter", Json()}, {"packages", Json::array()}});
  if (!printed.ok() || printed->code != 0) return none;
  const Result<Json> said = codec::parse_json(trim(printed->out));
  if (!said.ok() || said->find("packages") == nullptr || !said->find("packages")->is_array())
    return none;
  return *said;
}

Json environment_of(const Json& probe, const std::vector<Json>& locks,
                    const std::string& container_digest) {
  std::string packages;
  int64_t count = 0;
  if (const Json* lines = probe.find("packages"); lines != nullptr && lines->is_array())
    for (const Json& line : lines->items()) {
      packages += concat({line.is_string() ? line.as_string() : "", "\n"});
      ++count;
    }
  const Json* interpreter = probe.find("interpreter");
  const bool known = interpreter != nullptr && interpreter->is_object();
  return Json::object({{"interpreter", known ? *interpreter : Json()},
                       {"packages", known ? kPackagesFile : ""},
                       {"packages_sha256", known ? codec::sha256(packages).hex() : std::string()},
                       {"packages_count", count},
                       {"locks", Json::array(locks)},
                       {"container_digest", container_digest}});
}

Texts determinism_of(std::string_view all) {
  Texts out;
  for (const std::string_view line : split(all, '\0')) {
    const size_t equals = line.find('=');
    if (equals == line.npos) continue;
    const std::string_view name = line.substr(0, equals);
    const bool named = std::ranges::find(kNames, name) != kNames.end();
    const bool known = named || std::ranges::any_of(kPrefixes, [&](std::string_view prefix) {
                         return name.starts_with(prefix);
                       });
    const bool secret = std::ranges::any_of(
        kSecrets, [&](std::string_view word) { return name.find(word) != name.npos; });
    if (known && !secret && is_utf8(line)) out[std::string(name)] = line.substr(equals + 1);
  }
  return out;
}

Json machine_of(std::string_view uname, std::string_view cpuinfo, int cpus) {
  const std::string names = lower(trim(uname));
  const size_t gap = names.find(' ');
  std::string model;
  std::set<std::string_view> flags;
  for (const std::string_view line : split(cpuinfo, '\n')) {
    const size_t colon = line.find(':');
    if (colon == line.npos) continue;
    const std::string_view name = trim(line.substr(0, colon));
    const std::string_view value = trim(line.substr(colon + 1));
    if (name == "model name" && model.empty()) model = value;
    if ((name == "flags" || name == "Features") && flags.empty())
      for (const std::string_view flag : split(value, ' '))
        if (!flag.empty()) flags.insert(flag);
  }
  Json list = Json::array();
  for (const std::string_view flag : flags) list.push(flag);
  return Json::object({{"os", names.substr(0, gap)},
                       {"arch", gap == names.npos ? "" : names.substr(gap + 1)},
                       {"cpu_model", model},
                       {"cpus", cpus},
                       {"cpu_flags", std::move(list)}});
}

}  // namespace slip::cli
