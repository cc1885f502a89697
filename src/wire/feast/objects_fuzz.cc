#include "wire/feast/objects.h"

#include <feast/registry.pb.h>

#include "test/fuzz/fuzz.h"
#include "wire/feast/kept.h"
#include "wire/feast/paging.h"

// Messages that are applied, and lists that are asked for: anything is fine or refused.
SLIP_FUZZ(feast_objects) {
  using namespace slip::wire::feast;
  const int size = static_cast<int>(data.size());
  feast::core::Registry objects;
  if (!objects.ParseFromArray(data.data(), size)) return;
  size_t bytes = 0;
  for (const auto& one : objects.entities()) bytes += said(one.spec()).size();
  for (const auto& one : objects.data_sources()) bytes += said(one).size();
  for (const auto& one : objects.feature_views()) bytes += said(one.spec()).size();
  for (const auto& one : objects.stream_feature_views()) bytes += said(one.spec()).size();
  for (const auto& one : objects.feature_services()) bytes += said(one.spec()).size();
  if (bytes == 0) return;
  feast::registry::ListFeatureViewsRequest in;
  in.mutable_sorting()->set_sort_by(objects.version_id());
  in.mutable_sorting()->set_sort_order(objects.registry_schema_version());
  in.mutable_pagination()->set_page(static_cast<int>(objects.last_updated().seconds()));
  in.mutable_pagination()->set_limit(objects.last_updated().nanos());
  feast::registry::ListFeatureViewsResponse out;
  list_page<feast::core::FeatureView>(objects.feature_views(), in, &out,
                                      [&](const auto& one) { *out.add_feature_views() = one; });
  CHECK(out.feature_views_size() <= objects.feature_views_size());
  const std::string json = json_of(objects);
  feast::core::Registry again;
  if (!json.empty() && message_of(json, &again))
    CHECK(again.entities_size() == objects.entities_size());
}
