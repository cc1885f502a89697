#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/table.h"
#include "features/features.h"

// Rows of a source's history as a file: all of a span of event times, or the latest of each entity
// (the greatest event time, created, sequence; an entity whose latest row deletes it has none).
// Memory: one batch, and for `latest` an entry a key.
//
// Errors: kNotFound `feature_source.not_found`, kInvalid `feature.column`.
namespace slip::features {

struct Pull {
  std::string project;
  std::string source;
  std::vector<std::string> keys;
  std::vector<std::string> columns;  // Besides the keys.
  std::string event_as;              // What the columns of times are called; "": left out.
  std::string created_as;
  int64_t start_us = INT64_MIN;  // Both inclusive.
  int64_t end_us = INT64_MAX;
  bool latest = false;
};

// In order of arrival.
Status pull_file(Features& features, const Pull& pull, codec::Format as, codec::ByteSink& out);

// Likewise, of the rows of a file; `open` is called once for each reading of it.
Status pull_rows(const std::function<Result<std::unique_ptr<FileRows>>()>& open, const Pull& pull,
                 codec::Format as, codec::ByteSink& out);

// "event_timestamp: timestamp, user_id: int64, …" of a source, times first.
Result<std::vector<FeatureField>> columns_of(const Features& features, const std::string& project,
                                             const std::string& source);

}  // namespace slip::features
