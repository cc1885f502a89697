#include "core/hold/hold.h"
#include "features/features.h"
#include "sys/clock.h"
#include "sys/log.h"

// What leaves the history by itself.
namespace slip::features {

Result<int64_t> Features::retain() {
  if (!owned()) return 0;
  int64_t out = 0;
  const std::shared_ptr<const Shelves> shelves = catalog_.shelves().load();
  for (const auto& [project, shelf] : *shelves)
    for (const std::string& source : TRY(history_.sources_of(project))) {
      const auto& sources = shelf->latest[static_cast<size_t>(Kind::kSource)];
      const auto found = sources.find(source);
      if (found != sources.end() && found->second->definition.source.retention_us)
        out += TRY(drop_old(project, source, *found->second->definition.source.retention_us));
      TRY(history_.compact(project, source));
    }
  return out;
}

Result<int64_t> Features::drop_old(const std::string& project, const std::string& source,
                                   int64_t retention_us) {
  const hold::Object object{.kind = "feature_source", .uid = source, .name = source};
  const Status free = deps_.db.read(
      [&](store::Tx& tx) { return hold::refuse_held(tx, project, std::span(&object, 1)); });
  if (!free.ok() && free.error().reason == "hold.held") return 0;
  TRY(free);
  const int64_t before_us = deps_.clock.now_us() - retention_us;
  const int64_t n = TRY(history_.drop_rows(
      project, source, before_us, [&](const Batch& b, std::vector<bool>* drop) -> Status {
        const engine::Column event = b.event.view();
        for (int64_t i = 0; i < b.rows(); ++i)
          (*drop)[static_cast<size_t>(i)] = event.i64(i) < before_us;
        return {};
      }));
  if (n > 0)
    deps_.notes.info("rows have left the history", {{"project", std::string_view(project)},
                                                    {"source", std::string_view(source)},
                                                    {"rows", n}});
  return n;
}

}  // namespace slip::features
