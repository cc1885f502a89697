#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "codec/json.h"
#include "serving/batch_settings.h"

// What a batcher counts, and the same in words: why batches are as they are. Plain values.
namespace slip::serving {

// Why a batch was closed with what it had.
enum class BatchReason : uint8_t {
  kFull,       // No more rows fit: the size limit, or what waits next is too large for the rest.
  kPreferred,  // A preferred size was reached.
  kDeadline,   // More rows, or more waiting, would have cost a request its deadline.
  kDelay,      // It had waited as long as it may.
  kShape,      // An instance was idle; the others that wait have another shape.
  kIdle,       // An instance was idle; that was all there was.
};
inline constexpr size_t kBatchReasonCount = 6;
std::string_view batch_reason_name(BatchReason reason);

// Why a request was not run.
enum class BatchRefusal : uint8_t { kQueueFull, kDeadline, kTimeout, kCancelled, kStopping };
inline constexpr size_t kBatchRefusalCount = 5;
std::string_view batch_refusal_name(BatchRefusal refusal);
// kUnavailable `batch.full|batch.deadline|batch.cancelled|batch.stopping`; texts as Triton's.
Error batch_refused(BatchRefusal refusal);

struct BatchStats {
  std::array<int64_t, kBatchReasonCount> batches{};  // By BatchReason.
  std::array<int64_t, kBatchRefusalCount> refused{};
  int64_t requests = 0;         // Accepted.
  int64_t rows = 0;             // Run.
  int64_t split = 0;            // Requests that were larger than a batch.
  int64_t displaced = 0;        // Taken out of a forming batch by a higher priority.
  int64_t aged = 0;             // Given a place because they were overdue.
  int64_t retried = 0;          // Requests run alone after their batch had been refused.
  int64_t failed = 0;           // Requests that got a model's error.
  int64_t queue_ns = 0;         // Sum over requests (pieces) that ran.
  int64_t pieces = 0;           // How many those were.
  int64_t longest_wait_ns = 0;  // Of any that ran.
  struct BySize {
    int64_t batches = 0;
    int64_t input_ns = 0;   // Rows put together,
    int64_t infer_ns = 0;   // run,
    int64_t output_ns = 0;  // and given back.
  };
  std::map<int64_t, BySize> by_size;  // Rows of the batch.

  int64_t batch_count() const;
};

struct BatchReport {
  BatchSettings settings;
  BatchStats stats;
  double row_ns = 0;  // a
  double run_ns = 0;  // b
  double spread = 0;
  int64_t runs_fitted = 0;
  bool fitted = false;
  double rows_per_s = 0;  // That arrive, lately.
  double late_share = 0;  // Of recent answers, beyond the objective.
  int64_t size = 0;       // Rows that batches are closed at now,
  int64_t delay_ns = 0;   // and how long an idle instance waits for them,
  std::string size_why;   // in words.
  std::string delay_why;
  int64_t waiting = 0;  // Requests.
  int64_t waiting_rows = 0;
  int64_t oldest_ns = 0;  // How long the first of them has waited.
  int64_t running = 0;    // Instances at work.
};

codec::Json batch_report_json(const BatchReport& report);
std::string batch_report_text(const BatchReport& report);

}  // namespace slip::serving
