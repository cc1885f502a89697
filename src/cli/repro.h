#pragma once

#include <string>
#include <vector>

#include "cli/capture.h"

// A recorded run done again in a clean directory: its commit, its patch, its data, its environment.
// Nothing of the caller's work tree is touched. One thread.
namespace slip::cli {

struct Recipe {
  codec::Json run;      // Flat.
  codec::Json capture;  // Its record.
  std::string patch;
  std::string packages;  // Lines of packages.txt.
};

struct Rebuilt {
  Texts env;                      // What the command gets.
  std::vector<std::string> argv;  // The command with the interpreter that was built.
  std::string python;             // "" when none was recorded.
  std::string words;              // How, for people: "uv.lock", "packages.txt, python 3.12.3".
};

// kConflict `repro.no_record|repro.no_code|repro.nothing_to_compare|repro.not_ended`, kCorrupt
// `repro.patch`, kInvalid `repro.format`.
Result<Recipe> fetch_recipe(Remote& remote, const std::string& ref);

// The commit with the patch on it, in `into`. `repository` "": the recorded one, the caller's, the
// remote. kNotFound `repro.commit`, kConflict `repro.patch_failed`.
Status check_out(const Machine& machine, const Recipe& recipe, const std::string& repository,
                 const std::string& into);
// Puts files that the repository doesn't hold where the command reads them; checks every digest.
// kCorrupt `repro.data_changed`, kNotFound `repro.data_gone`.
Status restore_data(Fs& fs, Remote& remote, const Recipe& recipe, const std::string& directory);
// Below `directory`, from uv.lock or the list of packages. kConflict `repro.environment_failed`,
// kNotFound `repro.no_interpreter`.
Result<Rebuilt> rebuild(const Machine& machine, const Recipe& recipe, const std::string& directory,
                        const std::string& code);
// The command as it was, with whatever is installed here.
Rebuilt as_it_is(const Recipe& recipe);

std::vector<std::string> command_of(const Recipe& recipe);
std::vector<std::string> recorded_paths(const codec::Json& capture, std::string_view member);
// Lines that an installer takes: no comments, not the installer itself.
std::string installable(std::string_view packages);

}  // namespace slip::cli
