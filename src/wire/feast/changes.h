#pragma once

#include <optional>
#include <string>
#include <vector>

#include "features/catalog.h"
#include "wire/feast/kept.h"
#include "wire/feast/objects.h"
#include "wire/feast/registrar.h"

namespace feast::core {
class Registry;
}

// What the calls that change Feast's registry share. A message becomes definitions by the importer
// (wire/feast/registry.h) and by nothing else; what it says of an object that means what it meant
// changes words alone, so that applying what was read changes nothing.
namespace slip::wire::feast {

using features::Definition;

// Refused: it can't be said in a definition.
Error unsaid(std::string text);

// The importer's definitions of a registry of a few objects.
Result<std::vector<Definition>> imported(const ::feast::core::Registry& objects,
                                         std::string_view only_of = "");
Status apply(Registrar& registrar, const Asked& asked, std::vector<Definition> definitions);
const Definition* find_definition(const features::Shelf& shelf, features::Kind kind,
                                  const std::string& name);

// Words from a message; tags of ours stay those that `before` had.
template <class Spec>
features::About words_of(const Spec& spec, const Definition* before) {
  features::About out;
  out.description = spec.description();
  out.owner = spec.owner();
  for (const auto& [key, value] : spec.tags())
    if (!key.starts_with(kTagPrefix)) out.tags[key] = value;
  if (before != nullptr)
    for (const auto& [key, value] : before->about.tags)
      if (key.starts_with(kTagPrefix)) out.tags[key] = value;
  return out;
}

// Keeps a message beside the definition, without the words; null: forgets it.
void keep(std::string_view what, const google::protobuf::Message* told, features::About* about);
template <class Spec>
Spec without_words(Spec spec) {
  spec.clear_project();
  spec.clear_tags();
  spec.clear_description();
  spec.clear_owner();
  return spec;
}

// The views of a registry for the importer, which takes nothing that it doesn't see: what names
// their features is imported beside them.
::feast::core::Registry views_of(const ::feast::core::Registry& all);

// Feast deletes what others still read. Here that goes with its last reader, and is no longer shown
// till then; but what Feast can't say, or didn't declare, is kConflict `feature.in_use`.
Status remove(Registrar& registrar, const Asked& asked, features::Kind kind,
              const std::string& name);

// The source of a message with more columns. kConflict `feature.column`: of another type elsewhere.
Result<Definition> source_with(const features::Shelf& shelf, const std::string& name,
                               const ::feast::core::DataSource& message,
                               const std::vector<features::FeatureField>& columns);

}  // namespace slip::wire::feast
