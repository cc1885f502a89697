#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/capture.h"

// A command run as a run of the server: captured before it starts, told where it is tracked, its
// output shown and kept, its files kept and named by digest, its end written down. One thread.
namespace slip::cli {

struct Tracked {
  std::vector<std::string> argv;
  std::string directory;             // Absolute.
  std::vector<std::string> outputs;  // Relative to it.
  Texts env = {};                    // Besides the caller's.
  std::vector<std::string> unset = {};
  codec::Json run = {};  // Flat; made by begin_run.
  Capture capture = {};
};

struct NewTracked {
  std::string experiment_id = "0";
  std::string name = {};
  std::string user_id = {};
  Texts tags = {};
};

struct Outcome {
  std::string status;                // "FINISHED", "FAILED", "KILLED"
  int exit = 0;                      // The command's own; 128 and the number of a signal.
  std::vector<std::string> missing;  // Outputs that it didn't make.
};

// kInvalid `usage.output` for one that is absolute or leaves the directory.
Status check_outputs(const std::vector<std::string>& outputs);
// Makes the run and keeps the capture with it.
Status begin_run(Remote& remote, const NewTracked& wanted, Tracked* tracked);
// Runs the command and ends the run. An error of the server's comes when the command has ended.
Result<Outcome> run_tracked(Call& call, Remote& remote, const Machine& machine, Tracked* tracked);

}  // namespace slip::cli
