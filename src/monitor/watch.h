#pragma once

#include <memory>
#include <string>

#include "monitor/monitor.h"

// A configured monitor with its reference in memory. Immutable.
namespace slip::monitor {

struct Monitor::Watch {
  std::string project;
  Config config;
  Profile profile;
};

// What one row of a logged request says to a monitor.
struct RowView {
  std::string predicted;  // First text or integer output; else the index of the largest score.
  double score = 0;       // Largest value of the first real-valued output: the confidence.
};
RowView view_of(const serving::PredictionRecord& record, int64_t row);

// "x" is the tensor's first value of the row, "x[3]" its fourth.
struct InputRef {
  std::string tensor;
  int64_t index = 0;
};
InputRef parse_input_ref(std::string_view name);

void count_row(const Profile& profile, const std::vector<InputSpec>& inputs,
               const serving::PredictionRecord& record, int64_t row, WindowCounts* counts);

}  // namespace slip::monitor
