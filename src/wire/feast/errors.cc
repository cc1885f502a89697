#include "wire/feast/errors.h"

#include <string_view>

#include "base/error_map.h"
#include "codec/json.h"

namespace slip::wire::feast {
namespace {

struct ErrorClass {
  std::string_view reason;
  std::string_view name;
  int status;  // 0: the code's.
  std::string_view module = "feast.errors";
};
constexpr ErrorClass kClasses[] = {
    {"entity.not_found", "EntityNotFoundException", 0},
    {"feature_source.not_found", "DataSourceObjectNotFoundException", 0},
    {"permission.not_found", "PermissionObjectNotFoundException", 0},
    {"project.not_found", "ProjectObjectNotFoundException", 0},
    {"saved_dataset.not_found", "SavedDatasetNotFound", 0},
    {"validation_reference.not_found", "ValidationReferenceNotFound", 0},
    {"feature.none", "FeastObjectNotFoundException", 0},
    {"feature_view.not_found", "FeatureViewNotFoundException", 0},
    {"feature_service.not_found", "FeatureServiceNotFoundException", 0},
    {"feature.not_found", "KeyError", 0, "builtins"},  // As of its own stores.
    {"feature.file", "DataSourceNotFoundException", 0},
    {"feature.file_exists", "SavedDatasetLocationAlreadyExists", 0},
    {"push_source.not_found", "PushSourceNotFoundException", 422},
    {"feature.name_collision", "FeatureNameCollisionError", 0},
    {"feature.request", "RequestDataNotFoundInEntityRowsException", 0},
    {"feature.missing_key", "FeastEntityDFMissingColumnsError", 0},
};

const ErrorClass* class_of(const Error& error) {
  for (const ErrorClass& c : kClasses)
    if (c.reason == error.reason) return &c;
  return nullptr;
}

}  // namespace

std::string error_detail(const Error& error) {
  const ErrorClass* found = class_of(error);
  constexpr std::string_view kFeast = "feast.errors";
  const std::string_view fallback =
      error.code == Code::kForbidden ? "FeastPermissionError" : "FeastError";
  return codec::to_json(
      codec::Json::object({{"module", std::string(found == nullptr ? kFeast : found->module)},
                           {"class", std::string(found == nullptr ? fallback : found->name)},
                           {"message", error.text}}),
      codec::kSpaced);
}

// A call's status has room for 2 KiB: a cut detail would be none.
constexpr size_t kMessageBytesMax = 900;

Error with_detail(Error error) {
  if (error.text.size() > kMessageBytesMax) {
    size_t end = kMessageBytesMax;
    while (end > 0 && (static_cast<unsigned char>(error.text[end]) & 0xC0) == 0x80) --end;
    error.text.resize(end);
    error.text += "…";
  }
  error.text = error_detail(error);
  return error;
}

int error_status(const Error& error) {
  const ErrorClass* found = class_of(error);
  return found != nullptr && found->status != 0 ? found->status : code_row(error.code).http_status;
}

}  // namespace slip::wire::feast
