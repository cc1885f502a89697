#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "codec/table.h"
#include "sys/fs.h"

// What a scoring of many rows consists of, decided before the first: which rows of which file
// become which part. The plan lies beside the parts, so that a run that was killed goes on where it
// was, and one of other inputs, another model or other options isn't mixed with it. Values.
namespace slip::cli {

struct BatchOptions {
  std::string model;                 // Paths.
  std::string in;                    // A file, or a directory of files.
  std::string out;                   // A directory; made when missing.
  std::vector<std::string> columns;  // Of a model's only wide input.
  std::vector<std::string> keep;     // Columns of the input beside the answers.
  codec::Format format = codec::Format::kParquet;
  int64_t part_rows = 1'000'000;
  size_t threads = 1;
  bool restart = false;  // What is there of another plan is removed.
};

struct BatchInput {
  std::string path;
  codec::Format format = codec::Format::kParquet;
  int64_t bytes = 0;
  int64_t modified_us = 0;
};

// Rows [first_row, first_row + rows) of an input; of Parquet whole row groups.
struct BatchPart {
  int64_t number = 0;
  size_t input = 0;
  int64_t first_row = 0;
  int64_t rows = -1;        // -1: until the file ends, of text: as many as part_rows.
  std::vector<int> groups;  // Of Parquet.
  std::string name;         // "part-00000.parquet"
};

struct BatchPlan {
  std::string model_sha256;
  std::vector<BatchInput> inputs;
  std::vector<BatchPart> parts;
  std::string identity;  // Of all that decides what the parts hold.
};

// Reads what is needed of the inputs: of Parquet the footers, of text the number of rows.
// kInvalid `batch.inputs`.
Result<BatchPlan> make_plan(Fs& fs, const BatchOptions& options, std::string_view model_sha256);

struct PartDone {
  int64_t number = 0;
  int64_t rows = 0;
  int64_t bytes = 0;
  std::string sha256;
};

// The folder's notes: `_plan.json` (written first), `_done.jsonl` (a line a part, after the part),
// `_manifest.json` (last, atomically: there or not), `_lock` (kConflict `fs.locked` for a second
// scoring at the same time). One thread at a time.
class BatchFolder {
 public:
  BatchFolder(Fs& fs, std::string dir) : fs_(fs), dir_(std::move(dir)) {}

  // What is done of this plan. kConflict `batch.other_plan` when the folder holds something else;
  // `restart` removes parts and notes first, and nothing that we didn't write.
  Result<std::vector<PartDone>> open(const BatchPlan& plan, bool restart);
  Status note(const PartDone& done);  // The part is in place and on the disk.
  Status finish(const BatchPlan& plan, const std::vector<PartDone>& done,
                const std::vector<codec::Field>& schema);
  bool finished() const { return finished_; }

  std::string path(std::string_view name) const { return dir_ + "/" + std::string(name); }

 private:
  Status clear();
  bool is_there(const BatchPlan& plan, const PartDone& done) const;

  Fs& fs_;
  std::string dir_;
  std::unique_ptr<File> lock_;  // One scoring at a time.
  std::unique_ptr<File> log_;
  bool finished_ = false;
};

}  // namespace slip::cli
