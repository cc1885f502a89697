#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/rows.h"
#include "store/blobs.h"
#include "store/db.h"
#include "sys/ctx.h"

namespace slip {
class Clock;
class Rng;
}  // namespace slip
namespace slip::ledger {
class Ledger;
}

// Datasets: a name with numbered, immutable versions. A version is the bytes of one file of rows
// (JSONL, CSV, Parquet), as they were given, with the schema and the row count that reading all of
// it found. What cannot be read is refused and leaves nothing.
//
// Invariants: versions are 1, 2, … without gaps; the bytes of a version never change (its digest is
// their SHA-256); the same bytes under the same name are the same version; a version and its ledger
// event commit together. Any thread; commit() blocks as long as reading the file takes.
namespace slip::data {

// limits
inline constexpr size_t kNameBytesMax = 128;
inline constexpr size_t kMessageBytesMax = 4096;
inline constexpr int64_t kFileBytesMax = int64_t{64} << 30;

struct Version {
  std::string dataset;
  std::string dataset_uid;
  int64_t number = 0;
  std::string uid;
  std::string digest;         // "sha256:…"
  int64_t parent_number = 0;  // The newest one when this was made; 0: none.
  codec::RowFormat format = codec::RowFormat::kJsonl;
  std::vector<codec::RowColumn> columns;
  int64_t rows = 0;
  int64_t bytes = 0;
  std::string message;
  int64_t created_ms = 0;
  std::string created_by;
};

struct Dataset {
  std::string name;
  std::string uid;
  int64_t versions_count = 0;
  int64_t latest_version = 0;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
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
    codec::RowFormat format = codec::RowFormat::kJsonl;
    std::string message;
  };
  // `draft` holds the file. kInvalid `dataset.name|dataset.message|rows.*`.
  Result<Version> commit(const Ctx& ctx, const CommitSpec& spec,
                         std::unique_ptr<store::BlobDraft> draft);

  Result<std::vector<Dataset>> list(const Ctx& ctx, std::string_view after, int64_t limit);
  Result<Dataset> find(const Ctx& ctx, const std::string& name);  // kNotFound `dataset.not_found`.
  Result<std::vector<Version>> versions(const Ctx& ctx, const std::string& name, int64_t after,
                                        int64_t limit);  // Ascending.
  // kNotFound `dataset_version.not_found`.
  Result<Version> version(const Ctx& ctx, const std::string& name, int64_t number);
  Result<std::unique_ptr<store::BlobReader>> open(const Version& version);
  // The first rows, with the named columns. kInvalid `dataset.column` for one that it lacks.
  Status each_row(const Version& version, const std::vector<std::string>& columns, int64_t rows_max,
                  const codec::OnRow& on_row);

  // Every blob that a version needs, for the sweep.
  Status mark(const std::function<void(const store::Digest&)>& keep);

 private:
  Deps deps_;
};

std::span<const store::Migration> migrations();

}  // namespace slip::data
