#include <algorithm>

#include "base/text.h"
#include "cli/files.h"
#include "cli/repro.h"
#include "sys/command.h"
#include "sys/fs.h"

// An environment like the recorded one, built anew: by uv when it is installed, else by venv and
// pip of an interpreter of the same version.
namespace slip::cli {
namespace {

using codec::Json;

constexpr size_t kErrorTailMax = 2000;

class Tools {
 public:
  Tools(Process& process, std::string directory)
      : process_(process), directory_(std::move(directory)) {}

  std::string line(std::vector<std::string> argv) const {
    const Result<Printed> printed =
        output_of(process_, {.argv = std::move(argv), .cwd = directory_}, kToolOutputMax);
    return printed.ok() && printed->code == 0 ? std::string(trim(printed->out)) : std::string();
  }
  Status run(std::vector<std::string> argv, Texts env = {}) const {
    const std::string name = concat({argv[0], " ", argv.size() > 1 ? argv[1] : ""});
    const Result<Printed> done =
        output_of(process_, {.argv = std::move(argv), .env = std::move(env), .cwd = directory_},
                  kToolOutputMax);
    if (done.ok() && done->code == 0) return {};
    const std::string why = done.ok() ? std::string(trim(done->err)) : done.error().text;
    return conflict(
               "repro.environment_failed",
               concat({name, ": ", why.substr(why.size() - std::min(why.size(), kErrorTailMax))}))
        .with_hint("--no-rebuild uses what is installed here");
  }

 private:
  Process& process_;
  std::string directory_;
};

std::string version_of(const Tools& tools, const std::string& python) {
  if (python.empty()) return {};
  return tools.line({python, "-c", "import platform; print(platform.python_version())"});
}

std::string minor_of(std::string_view version) {
  return std::string(version.substr(0, version.rfind('.')));
}

// One of the very version; else one of the same minor version.
Result<std::string> interpreter_like(const Tools& tools, const Json& recorded) {
  const std::string wanted = text_of(recorded, "version");
  std::string near;
  for (const std::string& python : {text_of(recorded, "base"), text_of(recorded, "path"),
                                    "python" + minor_of(wanted), std::string("python3")}) {
    const std::string version = version_of(tools, python);
    if (version == wanted) return python;
    if (near.empty() && !version.empty() && minor_of(version) == minor_of(wanted)) near = python;
  }
  if (!near.empty()) return near;
  return not_found("repro.no_interpreter", concat({"no Python ", wanted, " on this machine"}))
      .with_hint("install it, or uv, which fetches one");
}

std::string lock_path(const Recipe& recipe, std::string_view name) {
  const Json* environment = recipe.capture.find("environment");
  const Json* locks = environment == nullptr ? nullptr : environment->find("locks");
  if (locks == nullptr || !locks->is_array()) return {};
  for (const Json& lock : locks->items()) {
    const std::string path = text_of(lock, "path");
    if (path == name || path.ends_with(concat({"/", name}))) return path;
  }
  return {};
}

Status build_from_list(Fs& fs, const Tools& tools, const Recipe& recipe,
                       const std::string& directory, bool has_uv) {
  const Json& interpreter = *recipe.capture.find("environment")->find("interpreter");
  const std::string env = directory + "/env";
  const std::string list = installable(recipe.packages);
  const std::string file = directory + "/packages.txt";
  TRY(TRY(fs.open(file, OpenMode::kTruncate))->append(list));
  if (has_uv) {
    const Result<std::string> found = interpreter_like(tools, interpreter);
    TRY(tools.run({"uv", "venv", "--quiet", "--python",
                   found.ok() ? *found : text_of(interpreter, "version"), env}));
    if (list.empty()) return {};
    return tools.run({"uv", "pip", "install", "--quiet", "--no-deps", "--python",
                      env + "/bin/python", "-r", file});
  }
  std::vector<std::string> venv = {TRY(interpreter_like(tools, interpreter)), "-m", "venv"};
  if (list.empty()) venv.push_back("--without-pip");
  venv.push_back(env);
  TRY(tools.run(std::move(venv)));
  if (list.empty()) return {};
  return tools.run({env + "/bin/python", "-m", "pip", "install", "--quiet", "--no-input",
                    "--disable-pip-version-check", "--no-deps", "-r", file});
}

// What is in the environment now and wasn't then, or the other way.
int64_t different_lines(std::string_view was, const Json& probe) {
  std::vector<std::string> then;
  for (const std::string_view line : split(was, '\n'))
    if (!line.empty()) then.emplace_back(line);
  std::vector<std::string> now;
  if (const Json* lines = probe.find("packages"); lines != nullptr && lines->is_array())
    for (const Json& line : lines->items()) now.push_back(line.as_string());
  for (std::vector<std::string>* lines : {&then, &now}) {
    std::erase_if(*lines, [](const std::string& l) { return l.starts_with("pip=="); });
    std::ranges::sort(*lines);
  }
  std::vector<std::string> apart;
  std::ranges::set_symmetric_difference(then, now, std::back_inserter(apart));
  return static_cast<int64_t>(apart.size());
}

}  // namespace

std::string installable(std::string_view packages) {
  std::string out;
  for (const std::string_view line : split(packages, '\n')) {
    const std::string_view text = trim(line);
    if (text.empty() || text.starts_with('#') || text.starts_with("pip==")) continue;
    out += concat({text, "\n"});
  }
  return out;
}

Rebuilt as_it_is(const Recipe& recipe) {
  return {.env = {}, .argv = command_of(recipe), .python = {}, .words = "not rebuilt"};
}

Result<Rebuilt> rebuild(const Machine& machine, const Recipe& recipe, const std::string& directory,
                        const std::string& code) {
  Rebuilt out = as_it_is(recipe);
  const Json* environment = recipe.capture.find("environment");
  const Json* interpreter = environment == nullptr ? nullptr : environment->find("interpreter");
  if (interpreter == nullptr || !interpreter->is_object()) {
    out.words = "none recorded";
    return out;
  }
  const Tools tools(machine.process, directory);
  const bool has_uv = !tools.line({"uv", "--version"}).empty();
  const std::string uv_lock = lock_path(recipe, "uv.lock");
  const std::string env = directory + "/env";
  if (has_uv && !uv_lock.empty()) {
    const Tools there(machine.process, parent_dir(path_in(code, uv_lock)));
    TRY(there.run(
        {"uv", "sync", "--quiet", "--frozen", "--python", text_of(*interpreter, "version")},
        {{"UV_PROJECT_ENVIRONMENT", env}}));
    out.env["UV_PROJECT_ENVIRONMENT"] = env;
    out.env["UV_FROZEN"] = "1";
    out.words = uv_lock;
  } else {
    TRY(build_from_list(machine.fs, tools, recipe, directory, has_uv));
    out.words = "packages.txt";
  }
  out.python = env + "/bin/python";
  out.env["VIRTUAL_ENV"] = env;
  out.env["PATH"] = concat({env, "/bin:", machine.process.env("PATH")});
  std::string& first = out.argv.front();
  if (first.substr(first.rfind('/') + 1).starts_with("python")) first = out.python;

  const Json probe = TRY(probe_python(machine, {.argv = {out.python},
                                                .directory = code,
                                                .data = {},
                                                .outputs = {},
                                                .interpreter = out.python}));
  const Json* now = probe.find("interpreter");
  const std::string was = text_of(*interpreter, "version");
  const std::string is = now == nullptr ? "" : text_of(*now, "version");
  out.words += concat({", python ", is, is == was ? "" : concat({" (was ", was, ")"})});
  if (const int64_t n = different_lines(recipe.packages, probe); n > 0)
    out.words += concat({", ", std::to_string(n), " packages differ"});
  return out;
}

}  // namespace slip::cli
