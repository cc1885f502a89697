#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

// The nouns of webhooks as plain records, and their limits.
namespace slip::notify {

// Limits.
inline constexpr int64_t kWebhooksMax = 50;  // Of a project.
inline constexpr size_t kUrlMax = 2'000;
inline constexpr size_t kDescriptionMax = 1'000;
inline constexpr size_t kSecretMax = 1'000;
inline constexpr size_t kCredentialsMax = 2'000;
inline constexpr size_t kExcerptBytesMax = 1 << 10;  // Of what a receiver answered.
inline constexpr int64_t kListMax = 1'000;

inline constexpr int64_t kAttemptsMax = 8;
inline constexpr int64_t kBackoffFirstMs = 1'000;
inline constexpr int64_t kBackoffFactor = 4;
inline constexpr int64_t kBackoffMaxMs = 3'600'000;
// An attempt is over long before; whoever holds it for longer has died, and it is made again.
inline constexpr int64_t kLeaseMs = 60'000;
inline constexpr int64_t kClaimsAtOnce = 32;
inline constexpr int64_t kKeptMs = int64_t{30} * 24 * 3'600'000;  // Of what has ended.

// Whose webhook it is: how its events are called, what is sent and how that is signed. Never
// changes.
enum class Form : uint8_t {
  kMlflow,      // MLflow's, and our own events.
  kDatabricks,  // A "registry webhook" as databricks-sdk makes them.
};
std::string_view form_name(Form form);  // "mlflow", "databricks"

struct Webhook {
  std::string uid;
  Form form = Form::kMlflow;
  std::string name;  // kDatabricks: may be empty.
  std::string url;
  std::string description;
  std::string secret;       // Kept to sign with; no answer, event or log line holds it.
  std::string credentials;  // kDatabricks: the Authorization that is sent. Likewise.
  std::string model_uid;    // kDatabricks: the one model that it is told of; "": all.
  std::string model_name;   // As that model is called now.
  bool active = true;
  bool test_mode = false;  // Not active, and meant so: it is only tested.
  // "model_version.created"; kDatabricks: "MODEL_VERSION_CREATED"; in the order of the form's
  // table.
  std::vector<std::string> events;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
};

// What is to change; what is empty stays.
struct Change {
  std::optional<std::string> name;
  std::optional<std::string> url;
  std::optional<std::string> description;
  std::optional<std::string> secret;
  std::optional<std::string> credentials;
  std::optional<bool> active;
  bool test_mode = false;  // With `active`.
  std::optional<std::vector<std::string>> events;
  bool keep_own_events = false;  // `events` speaks of MLflow's alone.
};

// One event on its way to one webhook, and in the end what became of it.
struct Delivery {
  std::string uid;  // X-MLflow-Delivery-Id: the same at every attempt.
  std::string webhook_uid;
  std::string event;
  int64_t seq = 0;  // Of the ledger.
  std::string payload;
  std::string state;  // "pending", "delivered", "failed"
  int64_t attempts = 0;
  int64_t next_ms = 0;  // Pending: not before.
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
  int64_t status = 0;     // Of the last answer; 0: none came.
  std::string response;   // Its beginning.
  std::string error;      // Of the last attempt.
  std::string replay_of;  // Delivery that this one repeats.
};

// A delivery that this process is to attempt now.
struct Due {
  std::string project;
  Form form = Form::kMlflow;
  std::string url;
  std::string secret;
  std::string credentials;
  int64_t lease_until_ms = 0;
  Delivery delivery;
};

struct Outgoing {
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};
struct Answer {
  int status = 0;  // 0: none came, and `error` says why.
  std::string body;
  std::string error;
  int64_t retry_after_ms = 0;

  bool accepted() const { return status >= 200 && status < 300; }
};

}  // namespace slip::notify
