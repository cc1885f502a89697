#pragma once

#include <span>
#include <string>
#include <vector>

#include "monitor/monitor.h"

// Where a label meets its prediction, whichever came first.
namespace slip::monitor {

struct Joined {
  std::vector<Labelled> outcomes;
};

// Writes the label to the row and counts it. The row must not have one.
Status join_label(store::Tx& tx, const std::string& project, const LoggedRow& row,
                  const KeptLabel& label, Joined* joined);
// Labels that came before this row.
Status join_pending(store::Tx& tx, const std::string& project, const LoggedRow& row,
                    Joined* joined);

// "label.joined" of a deployment.
struct Place {
  std::string uid;
  std::string name;
};
Status count_joined(ledger::Ledger& ledger, store::Tx& tx, const Ctx& ctx, const Place& deployment,
                    std::span<const Labelled> joined);

std::string pending_key(const std::string& prediction_id, int64_t row);
std::string pending_ref_key(const std::string& client_ref);

// Rows from before this moment need not be there any more.
int64_t kept_from_us(int64_t retention_days, int64_t now_us);

// "<uuid>" is row 0, "<uuid>/<row>" that row. kInvalid `labels.prediction_id`.
Result<std::pair<std::string, int64_t>> parse_prediction_ref(std::string_view text);

}  // namespace slip::monitor
