#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "codec/json.h"
#include "core/ledger/ledger.h"

// What can be told to a webhook: the table of its events ("entity.action"), which event of the
// ledger means which of them, and the body that is sent. Pure.
namespace slip::notify {

struct EventKind {
  std::string_view entity;
  std::string_view action;
  bool mlflow = false;  // One of MLflow's own; its clients know no other.
};
std::span<const EventKind> event_kinds();
const EventKind* find_kind(std::string_view event);  // "entity.action"; null: there is none.

struct Occurrence {
  std::string event;
  codec::Json data;
};
// Nothing when no webhook can ask for it.
std::optional<Occurrence> occurrence_of(const ledger::Event& event);
// The data that a test sends.
codec::Json example_of(std::string_view event);

// {"entity","action","timestamp","data"}, and "workspace" outside of the default project; written
// as MLflow writes it.
std::string payload_of(const Occurrence& what, int64_t ts_us, const std::string& project);

}  // namespace slip::notify
