#include <algorithm>
#include <array>

#include "base/text.h"
#include "cli/capture.h"
#include "cli/files.h"
#include "codec/hash.h"
#include "sys/command.h"
#include "sys/fs.h"

// The commit of a work tree, and what the tree has beyond it as one patch that `git apply` takes.
namespace slip::cli {
namespace {

using codec::Json;

class Git {
 public:
  Git(Process& process, std::string directory)
      : process_(process), directory_(std::move(directory)) {}

  // What it prints; kConflict `git.failed`.
  Result<std::string> run(std::vector<std::string> words, Texts env = {}) const {
    std::vector<std::string> argv = {"git", "-c", "core.quotepath=off", "-c",
                                     "core.fsmonitor=false"};
    argv.insert(argv.end(), words.begin(), words.end());
    const Printed printed =
        TRY(output_of(process_, {.argv = std::move(argv), .env = std::move(env), .cwd = directory_},
                      kPatchBytesMax));
    if (printed.code != 0)
      return conflict("git.failed", concat({"git ", words[0], ": ", trim(printed.err)}));
    return printed.out;
  }
  std::string line(std::vector<std::string> words) const {
    const Result<std::string> printed = run(std::move(words));
    return printed.ok() ? std::string(trim(*printed)) : std::string();
  }

 private:
  Process& process_;
  std::string directory_;
};

struct NewFiles {
  std::string kept;  // Paths, each ended by a NUL byte.
  Json left_out = Json::array();
};

// Files that git doesn't know and doesn't ignore.
Result<NewFiles> new_files(Fs& fs, const Git& git, const std::string& root,
                           const std::vector<std::string>& made) {
  NewFiles out;
  const std::string all = TRY(git.run({"ls-files", "-z", "--others", "--exclude-standard"}));
  for (const std::string_view name : split(all, '\0')) {
    if (name.empty() || std::ranges::find(made, name) != made.end()) continue;
    const Result<FileInfo> info = fs.stat(path_in(root, name));
    if (info.ok() && (info->is_dir || info->size > kUntrackedBytesMax))
      out.left_out.push(name);  // Or a repository within.
    else
      out.kept += concat({name, std::string_view("\0", 1)});
  }
  return out;
}

// An index and objects of its own, so that the repository stays as it is.
Result<std::string> patch_of(const Machine& machine, const Git& git, const std::string& root,
                             const NewFiles& added, const std::vector<std::string>& made) {
  const Scratch scratch = TRY(Scratch::make(machine.fs, machine.process));
  const auto inner = [&](const char* part) -> Result<std::string> {
    const std::string path = TRY(git.run({"rev-parse", "--git-path", part}));
    return path_in(root, trim(path));
  };
  const std::string objects = TRY(inner("objects"));
  const Texts apart = {{"GIT_INDEX_FILE", scratch.path() + "/index"},
                       {"GIT_OBJECT_DIRECTORY", scratch.path()},
                       {"GIT_ALTERNATE_OBJECT_DIRECTORIES", objects}};
  // With what was added and not committed.
  TRY(copy_file(machine.fs, TRY(inner("index")), scratch.path() + "/index"));
  TRY(git.run({"add", "--update", "."}, apart));
  if (!added.kept.empty()) {
    const std::string list = scratch.path() + "/new";
    TRY(TRY(machine.fs.open(list, OpenMode::kTruncate))->append(added.kept));
    Texts literal = apart;
    literal["GIT_LITERAL_PATHSPECS"] = "1";
    TRY(git.run({"add", "--pathspec-from-file=" + list, "--pathspec-file-nul"}, literal));
  }
  std::vector<std::string> words = {
      "diff",          "--cached",      "--binary", "--full-index", "--no-color",
      "--no-ext-diff", "--no-textconv", "HEAD",     "--",           "."};
  for (const std::string& name : made) words.push_back(":(top,exclude,literal)" + name);
  return git.run(std::move(words), apart);
}

}  // namespace

std::string without_password(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == url.npos) return std::string(url);
  const size_t host = scheme + 3;
  const size_t slash = std::min(url.find('/', host), url.size());
  const size_t at = url.substr(0, slash).rfind('@');
  if (at == url.npos || at < host) return std::string(url);
  return concat({url.substr(0, host), url.substr(at + 1)});
}

Result<CodeState> code_of(const Machine& machine, const std::string& directory,
                          const std::vector<std::string>& outputs) {
  CodeState out;
  const Git here(machine.process, directory);
  const std::string root = here.line({"rev-parse", "--show-toplevel"});
  const std::string commit = here.line({"rev-parse", "--verify", "--quiet", "HEAD^{commit}"});
  if (root.empty() || commit.empty()) return out;
  out.prefix = here.line({"rev-parse", "--show-prefix"});
  const Git git(machine.process, root);
  std::vector<std::string> made;
  for (const std::string& output : outputs) made.push_back(out.prefix + output);
  const NewFiles added = TRY(new_files(machine.fs, git, root, made));
  out.patch = TRY(patch_of(machine, git, root, added, made));
  const bool dirty = !out.patch.empty() || !added.left_out.items().empty();
  out.record = Json::object(
      {{"commit", commit},
       {"branch", git.line({"symbolic-ref", "--quiet", "--short", "HEAD"})},
       {"remote", without_password(git.line({"config", "--get", "remote.origin.url"}))},
       {"root", root},
       {"dirty", dirty},
       {"patch", out.patch.empty() ? "" : kPatchFile},
       {"patch_sha256", out.patch.empty() ? std::string() : codec::sha256(out.patch).hex()},
       {"left_out", added.left_out}});
  return out;
}

}  // namespace slip::cli
