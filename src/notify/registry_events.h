#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json.h"
#include "core/ledger/ledger.h"

// What can be told to a webhook of Databricks' form: its events, which event of the ledger means
// which of them, and the body that is sent. Pure.
namespace slip::notify {

std::span<const std::string_view> registry_event_names();
bool is_registry_event(std::string_view name);

struct RegistryOccurrence {
  // All that it is called, the most particular first: MODEL_VERSION_TRANSITIONED_TO_STAGING before
  // MODEL_VERSION_TRANSITIONED_STAGE. A webhook is told once, by the first that it asks for.
  std::vector<std::string> names;
  codec::Json data;  // What the body has besides event, webhook and time.
};
// Nothing when no webhook can ask for it; prompts are none of this registry's models.
std::optional<RegistryOccurrence> registry_occurrence_of(const ledger::Event& event);
// What a test sends.
RegistryOccurrence registry_example_of(std::string_view name);

struct RegistryTelling {
  std::string_view name;
  std::string_view webhook_uid;
  int64_t ts_us = 0;
};
// {"event","webhook_id","event_timestamp","model_name",…,"text"}
std::string registry_payload_of(const RegistryOccurrence& what, const RegistryTelling& telling);

}  // namespace slip::notify
