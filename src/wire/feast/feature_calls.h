#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "features/features.h"

// What Feast's feature server does, whatever protocol asks it. Reading is for any thread, the rest
// may block.
//
// Errors: those of features/, kNotFound `push_source.not_found`.
namespace slip::wire::feast {

struct OnlineAsk {  // Of texts of the request.

  std::string_view service;                  // Or else:
  std::vector<std::string_view> references;  // "view:feature"
  bool full_names = false;
};
Result<std::shared_ptr<const features::ReadPlan>> plan_for(features::Features& features,
                                                           const Ctx& ctx, const OnlineAsk& ask);

Result<features::To> to_of(const std::string& text);  // "online", "offline", "online_and_offline"

// Rows, once the columns that they may have are known.
using MakeBatch = std::function<Result<features::Batch>(const features::Source&)>;
Status push_rows(features::Features& features, const Ctx& ctx, const std::string& push_source,
                 features::To to, const MakeBatch& make);
// To one view, past its source; or to all of a source, by the view of its columns (objects.h).
Status write_rows(features::Features& features, const Ctx& ctx, const std::string& view,
                  const MakeBatch& make);

}  // namespace slip::wire::feast
