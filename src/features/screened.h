#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "features/features.h"
#include "store/kafka/kafka.h"

// A batch after its source's contract was asked.
namespace slip::features {

struct Features::Screened {
  Batch batch;                // The rows that go on, values nulled where the contract says so.
  std::vector<bool> goes_on;  // Which of the rows that came do; empty: all.
  std::vector<Quarantined> apart;
  std::vector<std::string> warnings;
  int64_t warned = 0;  // Rows that went on though something was to be said of them.
};

// How rows came. Rows of a stream have nobody to whom they could be refused: what the contract
// rejects is kept apart as well, under a uid that the message decides.
struct Features::Screening {
  int64_t first_row = 0;
  struct Stream {
    const std::string& topic;
    std::span<const kafka::Record> records;
    const std::vector<size_t>& of_rows;
    const kafka::Record& at(int64_t row) const {
      return records[of_rows[static_cast<size_t>(row)]];
    }
  };
  std::optional<Stream> stream = std::nullopt;
};

// A row as a push takes it.
codec::Json record_of(const Batch& b, const Source& source, int64_t row);

// kInvalid `feature.computed`: rows that only a query makes aren't pushed or loaded.
Status check_given(const Source& source, const std::string& name);

}  // namespace slip::features
