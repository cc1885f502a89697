#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cli/mlflow_store.h"
#include "cli/remote.h"

namespace slip {
class Fs;
}

// An MLflow store on its way to a server: first all is sent, in pieces that may be sent again, then
// all is read back and compared. One thread.
namespace slip::cli {

// What the server has against what the source has, as {id: text} of one kind, scope by scope.
class Comparison {
 public:
  using Items = std::map<std::string, std::string>;

  struct Kind {
    int64_t source = 0;
    int64_t server = 0;
    int64_t differing = 0;
    std::vector<std::string> source_digests;  // One a scope, as those of the server.
    std::vector<std::string> server_digests;
  };

  // Items of one scope ("run 17ab…"), whole on both sides.
  void compare(const std::string& kind, const std::string& scope, const Items& source,
               const Items& server);
  // Counted on both sides, compared elsewhere.
  void count(const std::string& kind, int64_t source, int64_t server);
  const std::map<std::string, Kind>& kinds() const { return kinds_; }
  // "run 17ab…: params lr: source 0.1, server 0.2"; at most kDifferencesMax.
  const std::vector<std::string>& differences() const { return differences_; }
  int64_t differing() const { return differing_; }

 private:
  void differ(Kind* kind, const std::string& text);

  std::map<std::string, Kind> kinds_;
  std::vector<std::string> differences_;
  int64_t differing_ = 0;
};

// A directory of files: of a run, a logged model or a trace.
struct FileTree {
  std::string owner;       // "run 17ab…"
  std::string source;      // Its address in the source.
  std::string below;       // "17ab…/artifacts", below the directory of its experiment.
  int64_t experiment = 0;  // There.
  std::string here;        // Its address on the server; "" on a dry run.
  bool has_files = false;  // It cannot be empty.
};

class Mover {
 public:
  Mover(Call& of, Remote& to, MlflowStore& from, Fs& fs)
      : call(of),
        server(to),
        source(from),
        files(fs),
        dry(of.on("dry-run")),
        artifacts_dir(of.text("artifacts")) {}

  Result<int> all();

  // Sends one item; the answer's row, null on a dry run or when the server refuses that item.
  Result<codec::Json> send(const std::string& kind, const std::string& name, codec::Json item);
  // "points" of a run, or "logged_model_metrics" that it measured.
  Status send_points(const std::string& kind, const std::string& run_id,
                     std::vector<codec::Json>* points);
  struct Counts {
    std::map<std::string, int64_t> states;
    int64_t source = 0;
  };
  // The server or this program refuses one thing; the rest goes on. Other errors are returned.
  Status refuse(const std::string& kind, const std::string& name, const Error& error);
  // Whether the server gives the files of that address a place of its own.
  bool moves_files(std::string_view uri) const;
  // An address of the source's files as one of this server; as it is when nothing moved it.
  std::string moved(const std::string& uri) const;
  void add_tree(FileTree tree);
  // "\rruns 3 of 17", for people that watch.
  void progress(std::string_view what, int64_t done, int64_t of);

  Call& call;
  Remote& server;
  MlflowStore& source;
  Fs& files;
  const bool dry;
  const std::string artifacts_dir;
  std::map<int64_t, int64_t> experiments;  // There to here.
  std::vector<FileTree> trees;
  Comparison comparison;
  std::map<std::string, Counts> counts;
  std::map<std::string, std::string> reasons;  // Why something stays behind.

 private:
  Status send_all();
  Status verify_all();
  int report();
  codec::Json report_rows();

  std::unordered_map<std::string, std::string> places_;  // Normal source address to ours.
  int64_t shown_ = -1;
};

// migrate_runs.cc
Status send_experiments(Mover& m);
Status send_runs(Mover& m);
Status send_logged_models(Mover& m);
Status verify_experiments(Mover& m);
Status verify_runs(Mover& m);
Status verify_logged_models(Mover& m);
// migrate_traces.cc
Status send_traces(Mover& m);
Status verify_traces(Mover& m);
// migrate_files.cc
Status send_files(Mover& m);
Status verify_files(Mover& m);
// migrate_models.cc
Status send_registry(Mover& m);
Status verify_registry(Mover& m);

// {"a": "1"} as items.
Comparison::Items items_of(const codec::Json* object);
// [{"key", "value"}] as items.
Comparison::Items items_of_list(const codec::Json* list);
// Sorted keys at every depth: the same value is the same text. Empty members are left out.
std::string normal_text(const codec::Json& value);
// The members of `object` that `names` names, as such a text.
std::string normal_fields(const codec::Json& object, std::initializer_list<std::string_view> names);

}  // namespace slip::cli
