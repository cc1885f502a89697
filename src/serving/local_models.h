#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "serving/ensemble.h"
#include "serving/routing.h"
#include "sys/sync.h"

namespace slip {
class Budget;
class Clock;
class Fs;
class Log;
}  // namespace slip

// Models that are files of the server's machine, for those who only want serving: single files
// (`--model NAME=FILE`, version 1) and repositories in Triton's layout (`--model-repository DIR`:
// DIR/NAME/[config.pbtxt], DIR/NAME/VERSION/model.onnx). They are served in the project `default`
// under their own names, beside the deployments.
//
// Each becomes a Route of its own: the arm in front is the highest version that is served, with all
// of the traffic; the others answer those who name them. What doesn't load doesn't replace what
// serves; a model that never loaded is there as unavailable, with the reason. One change at a time;
// reading is for any thread.
//
// Errors: kNotFound `local_model.not_found`, kInvalid `local_model.*` (names, layout, parts of a
// load), and those of the configuration and of loading, within the path of the file.
namespace slip::serving {

class Batching;
class FeatureLookups;
class ResponseCache;

// What stands for a deployment's uid.
std::string local_uid(std::string_view name);

struct LocalVersion {
  std::string model;
  int64_t version = 0;  // 0: none is known.
  std::string state;    // "READY", "UNAVAILABLE"
  std::string reason;   // Why not; "unloaded" when somebody asked for it.
};

class LocalModels {
 public:
  struct Deps {
    Fs& fs;
    Budget& budget;
    Clock& clock;
    Log& notes;
    Ack log_ack = Ack::kKernel;          // Of their predictions.
    const Batching* batching = nullptr;  // Null: requests are run one by one.
    FeatureLookups* lookups = nullptr;   // Null: there is no feature store.
    ResponseCache* cache = nullptr;      // Null: no answer is given twice.
  };
  explicit LocalModels(Deps deps) : deps_(deps) {}

  // Before open(). kInvalid `local_model.name|local_model.twice`.
  Status add_file(const std::string& name, const std::string& path);
  Status add_repository(const std::string& dir);
  // Loads all of them. Those that don't load are noted and unavailable; a directory that can't be
  // read is an error.
  Status open();

  // What comes with a load, instead of what the repository holds. Nothing of it is written.
  struct Parts {
    std::string config_json;                   // "": config.pbtxt.
    std::map<std::string, std::string> files;  // "1/model.onnx" → its bytes; needs config_json.
  };
  // (Again.) Reads the repository as it is now, so also a model that is new there. On an error what
  // is served stays.
  Status load(const std::string& name, const Parts& parts);
  // Ends it; requests that have begun end on it. `dependents`: the models that only its steps use.
  Status unload(const std::string& name, bool dependents);

  bool any() const;                           // Files or repositories were added.
  bool ready() const;                         // All are served but those that somebody unloaded.
  bool knows(const std::string& name) const;  // Loaded or not; looks into the repositories.
  // By name and version; `ready`: only what is served. Every model of the repositories, loaded or
  // not.
  std::vector<LocalVersion> index(bool ready) const;
  // What is served, for the routing table.
  std::vector<std::shared_ptr<const Route>> routes() const;

 private:
  struct Place {  // Where a model comes from.
    std::string path;
    bool file = false;
  };
  struct Entry {
    std::shared_ptr<const Route> route;  // Null: nothing is served.
    std::string reason;                  // Why.
    std::vector<int64_t> versions;       // Of the last load.
  };
  using Entries = std::map<std::string, Entry>;
  struct Source {  // What a load reads.
    ModelConfig config;
    std::map<int64_t, std::string> versions;  // Path of the file, or its key in Parts::files.
  };

  std::optional<Place> place_of(const std::string& name) const;
  std::vector<std::string> names_there() const;
  Result<Source> look(const Place& place, const Parts& parts) const;
  Result<std::string> file_in(const std::string& dir, const ModelConfig& config) const;
  Status read_labels(const std::string& dir, ModelConfig* config) const;
  Result<std::shared_ptr<const Route>> make_route(const std::string& name, const Source& source,
                                                  const Parts& parts, const Route* before) const;
  std::shared_ptr<const ArmCache> make_cache(const Route& route, const Arm& arm) const;
  Status load_one(const std::string& name, const Place& place, const Parts& parts, int depth = 0);
  void load_members(const ModelConfig& config, int depth);
  Status check_circle(const std::string& name, const ModelConfig& config) const;
  std::optional<Member> member(const std::string& name, int64_t version) const;
  void unload_unless_needed(const std::string& name);
  std::vector<std::string> members_of(const std::string& name) const;

  Deps deps_;
  std::map<std::string, std::string> files_;
  std::vector<std::string> repositories_;
  sys::Mutex changing_;
  std::set<std::string> tried_;  // By the change under way, for an ensemble's sake.
  sys::Guarded<Entries> entries_;
  std::atomic<int64_t> changes_{0};  // Of what an ensemble's steps may meet.
};

}  // namespace slip::serving
