#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "codec/table.h"
#include "store/blobs.h"
#include "store/db.h"
#include "sys/ctx.h"

namespace slip {
class Clock;
class Rng;
}  // namespace slip
namespace slip::ledger {
class Ledger;
struct Scope;
}  // namespace slip::ledger

// Versioned data: a dataset is a repository, its versions are the commits on `main`, each an
// immutable tree of files (today of one) with schema, row count and digest.
//
// Invariants: versions are numbered 1, 2, 3 … without gaps and never change; each has the one
// before it as parent; a version exists exactly when its ledger event does; what it refers to is in
// the blobs before it exists. Any thread.
//
// Errors: kNotFound `dataset.not_found|dataset_version.not_found`, kInvalid `dataset.name|
// dataset.message|dataset.empty` and those of codec/table.h for a file that is malformed.
namespace slip::data {

// limits
inline constexpr size_t kNameBytesMax = 128;
inline constexpr size_t kMessageBytesMax = 4096;
inline constexpr size_t kSchemaBytesMax = 1 << 20;  // As JSON.
inline constexpr int64_t kListMax = 1000;

struct Version {
  std::string dataset;
  std::string dataset_uid;
  int64_t number = 0;
  std::string uid;
  std::string digest;         // Of the file's bytes, "sha256:…".
  std::string root;           // Of the tree, "sha256:…".
  int64_t parent_number = 0;  // 0: the first.
  codec::Format format = codec::Format::kParquet;
  std::vector<codec::Field> columns;
  int64_t rows = 0;
  int64_t bytes = 0;
  std::string message;
  int64_t created_ms = 0;
  std::string created_by;  // Principal's uid.
};

struct Dataset {
  std::string name;
  std::string uid;
  int64_t versions_count = 0;
  int64_t latest_version = 0;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
  std::optional<Version> latest;  // In lists.
};

class Data {
 public:
  struct Deps {
    store::Db& db;
    ledger::Ledger& ledger;
    store::Blobs& blobs;
    Clock& clock;
    Rng& rng;
  };
  explicit Data(Deps deps) : deps_(deps) {}

  struct CommitSpec {
    std::string name;
    codec::Format format = codec::Format::kParquet;
    std::string message;
  };
  // Commits the draft's bytes. A file that one of the dataset's versions has already, in the same
  // format, is that version: nothing is written, and a client that lost our reply may ask again.
  Result<Version> commit(const Ctx& ctx, const CommitSpec& spec,
                         std::unique_ptr<store::BlobDraft> draft);

  // By name from the first after `after`, at most `limit`.
  Result<std::vector<Dataset>> list(const Ctx& ctx, std::string_view after, int64_t limit);
  Result<Dataset> find(const Ctx& ctx, const std::string& name);
  // Ascending, those above `after`.
  Result<std::vector<Version>> versions(const Ctx& ctx, const std::string& name, int64_t after,
                                        int64_t limit);
  Result<Version> version(const Ctx& ctx, const std::string& name, int64_t number);

  Result<std::unique_ptr<store::BlobReader>> open(const Version& version);
  // Its rows by columns; kCorrupt `blob.corrupt` when the stored bytes are damaged.
  Result<std::unique_ptr<codec::TableReader>> rows(const Version& version,
                                                   codec::ReadOptions options = {});

  // The first rows as objects with a member for each of `columns` that is not null. kInvalid
  // `table.column` for one that it lacks.
  using OnRow = std::function<Status(const codec::Json&)>;
  Status each_row(const Version& version, const std::vector<std::string>& columns, int64_t rows_max,
                  const OnRow& on_row);

  // Every blob that some version of any project needs, for Blobs::sweep().
  Status mark(const std::function<void(const store::Digest&)>& keep);

 private:
  Deps deps_;
};

std::span<const store::Migration> migrations();
std::span<const ledger::Scope> event_scopes();

}  // namespace slip::data
