#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/mlflow.h"
#include "cli/rest.h"

// What a run is made from, as a record that other machines can read: code, environment, machine,
// determinism, data. The form is docs/how-to/reproduce_a_run.md's; the Python SDK writes the same.
// Looking changes nothing: not even the repository's index or objects. One thread.
namespace slip::cli {

inline constexpr std::string_view kCaptureFormat = "slipway.capture/1";
inline constexpr std::string_view kCaptureFile = "slipway/capture.json";
inline constexpr std::string_view kPatchFile = "slipway/code.patch";
inline constexpr std::string_view kPackagesFile = "slipway/packages.txt";

inline constexpr int64_t kUntrackedBytesMax = 5 << 20;  // A larger new file is named, not kept.
inline constexpr int64_t kPatchBytesMax = 256 << 20;
inline constexpr int64_t kToolOutputMax = 16 << 20;

struct CaptureSpec {
  std::vector<std::string> argv;
  std::string directory;             // Absolute: where the command runs.
  std::vector<std::string> data;     // Paths, or data:NAME@VERSION of the server.
  std::vector<std::string> outputs;  // Relative to `directory`; they are no part of the code.
  std::string interpreter = {};      // "": by the command's first word.
  Texts env = {};                    // What the command gets besides the caller's.
};

struct Capture {
  codec::Json record;
  Texts files;  // By artifact path.
};

Result<Capture> take_capture(const Machine& machine, Remote& remote, const CaptureSpec& spec);
// The parts that one searches by.
Texts capture_tags(const codec::Json& record);

// ---- parts; null where there is none

struct CodeState {
  codec::Json record;  // null outside of a repository that has a commit.
  std::string prefix;  // Of the directory below the repository's root: "train/".
  std::string patch;
};
Result<CodeState> code_of(const Machine& machine, const std::string& directory,
                          const std::vector<std::string>& outputs);

// {"interpreter": {path, base, version, implementation} | null, "packages": [line…]}
Result<codec::Json> probe_python(const Machine& machine, const CaptureSpec& spec);
codec::Json environment_of(const codec::Json& probe, const std::vector<codec::Json>& locks,
                           const std::string& container_digest);
// The variables that seed, order or round. `all`: NAME=VALUE, each ended by a NUL byte.
Texts determinism_of(std::string_view all);
codec::Json machine_of(std::string_view uname, std::string_view cpuinfo, int cpus);
bool is_lock_file(std::string_view name);
std::string without_password(std::string_view url);

}  // namespace slip::cli
