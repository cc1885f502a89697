#include <utility>
#include <vector>

#include <feast/registry.pb.h>

#include "features/kept_objects.h"
#include "wire/feast/paging.h"
#include "wire/feast/registrar.h"

// Feast's registry: saved data sets and validation references, which are its client's alone.
namespace slip::wire::feast {
namespace {

namespace core = ::feast::core;
namespace calls = ::feast::registry;
using google::protobuf::Empty;

struct SavedKind {
  using Object = core::SavedDataset;
  static constexpr std::string_view kName = "SavedDataset";
  static constexpr std::string_view kWords = "Saved dataset";
  static constexpr std::string_view kNotFound = "saved_dataset.not_found";
  static const Object& of(const calls::ApplySavedDatasetRequest& in) { return in.saved_dataset(); }
  static Object* add(calls::ListSavedDatasetsResponse* out) { return out->add_saved_datasets(); }
};
struct ReferenceKind {
  using Object = core::ValidationReference;
  static constexpr std::string_view kName = "ValidationReference";
  static constexpr std::string_view kWords = "Validation reference";
  static constexpr std::string_view kNotFound = "validation_reference.not_found";
  static const Object& of(const calls::ApplyValidationReferenceRequest& in) {
    return in.validation_reference();
  }
  static Object* add(calls::ListValidationReferencesResponse* out) {
    return out->add_validation_references();
  }
};

template <class Kind>
Result<typename Kind::Object> parsed(const std::string& bytes) {
  typename Kind::Object out;
  if (!out.ParseFromString(bytes)) return corrupt("feature.kept", "an object is damaged");
  return out;
}

template <class Kind, class In>
Status apply_kept(Registrar& r, const Asked& asked, const In& in, Empty*) {
  const typename Kind::Object& object = Kind::of(in);
  if (name_of(object).empty()) return invalid("feast.message", "a name is wanted");
  return r.app.kept.put(asked.ctx, std::string(Kind::kName), name_of(object),
                        object.SerializeAsString());
}

template <class Kind, class In>
Status get_kept(Registrar& r, const Asked& asked, const In& in, typename Kind::Object* out) {
  const auto found = TRY(r.app.kept.find(asked.ctx, std::string(Kind::kName), in.name()));
  if (!found) return no_such(Kind::kNotFound, Kind::kWords, in.name(), asked.project());
  *out = TRY(parsed<Kind>(*found));
  return {};
}

template <class Kind, class In, class Out>
Status list_kept(Registrar& r, const Asked& asked, const In& in, Out* out) {
  std::vector<typename Kind::Object> all;
  for (const std::string& bytes : TRY(r.app.kept.list(asked.ctx, std::string(Kind::kName))))
    all.push_back(TRY(parsed<Kind>(bytes)));
  list_page<typename Kind::Object>(
      all, in, out, [&](const typename Kind::Object& one) { *Kind::add(out) = one; });
  return {};
}

template <class Kind, class In>
Status delete_kept(Registrar& r, const Asked& asked, const In& in, Empty*) {
  if (!TRY(r.app.kept.remove(asked.ctx, std::string(Kind::kName), in.name())))
    return no_such(Kind::kNotFound, Kind::kWords, in.name(), asked.project());
  return {};
}

}  // namespace

void add_kept(const RegistrarPtr& registrar, Rows* rows) {
  const auto add = [&]<class In, class Out>(
                       std::string_view name, http::Permission permission,
                       Status (*call)(Registrar&, const Asked&, const In&, Out*)) {
    rows->push_back(registry_row<In, Out>(registrar, name, permission, call));
  };
  add("ApplySavedDataset", kEdits, apply_kept<SavedKind, calls::ApplySavedDatasetRequest>);
  add("GetSavedDataset", kReads, get_kept<SavedKind, calls::GetSavedDatasetRequest>);
  add("ListSavedDatasets", kReads,
      list_kept<SavedKind, calls::ListSavedDatasetsRequest, calls::ListSavedDatasetsResponse>);
  add("DeleteSavedDataset", kEdits, delete_kept<SavedKind, calls::DeleteSavedDatasetRequest>);
  add("ApplyValidationReference", kEdits,
      apply_kept<ReferenceKind, calls::ApplyValidationReferenceRequest>);
  add("GetValidationReference", kReads,
      get_kept<ReferenceKind, calls::GetValidationReferenceRequest>);
  add("ListValidationReferences", kReads,
      list_kept<ReferenceKind, calls::ListValidationReferencesRequest,
                calls::ListValidationReferencesResponse>);
  add("DeleteValidationReference", kEdits,
      delete_kept<ReferenceKind, calls::DeleteValidationReferenceRequest>);
}

}  // namespace slip::wire::feast
