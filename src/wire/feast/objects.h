#pragma once

#include <memory>
#include <string>
#include <vector>

#include "features/catalog.h"

namespace feast::core {
class DataSource;
class EntitySpecV2;
class FeatureServiceSpec;
class FeatureViewSpec;
class Registry;
class StreamFeatureViewSpec;
}  // namespace feast::core

// Our definitions as Feast's registry holds them: the other direction of registry.h. Pure; any
// thread.
//
// - An Entity is an entity; a join key that no Entity names becomes one of the key's name.
// - A Source is a push source over a file of the name NAME_history, unless Feast's own client said
//   what it is.
// - A view that passes columns on is a feature view. One that computes (windows, expressions, a
//   filter) is one too, which is read like any other and fed through its source: events go to a
//   view of the source's columns, SOURCE_events, for Feast's client pushes to views only. It isn't
//   `online` to Feast: the server keeps it up to date by itself, so there is nothing to
//   materialize.
// - OnDemand is a feature view whose entities are the keys of what it reads and the request's data,
//   for Feast's own kind would be computed by the client, in Python.
//
// What Feast's client says about an object beyond what a definition means (where a file lies, what
// a field is described as) is kept beside it: a tag `slipway.feast.…` with the message as JSON. It
// counts as long as it says the same as the definition.
namespace slip::wire::feast {

inline constexpr std::string_view kTagPrefix = "slipway.feast.";
inline constexpr std::string_view kHistorySuffix = "_history";
inline constexpr std::string_view kEventsSuffix = "_events";

// Feast's client has deleted it while others read it: it isn't shown, and goes with its last
// reader.
bool is_hidden(const features::About& about);

std::shared_ptr<const ::feast::core::Registry> registry_of(const features::Shelf& shelf,
                                                           const std::string& project);

// What such a message says that a definition means, as text: equal texts, equal meanings.
std::string said(const ::feast::core::EntitySpecV2& spec);
std::string said(const ::feast::core::DataSource& source);
std::string said(const ::feast::core::FeatureViewSpec& spec);
std::string said(const ::feast::core::StreamFeatureViewSpec& spec);
std::string said(const ::feast::core::FeatureServiceSpec& spec);

// The source of ours that Feast's clients mean: by its name, by the name of its file, or by that of
// the view of its columns. "": none.
std::string source_meant(const features::Shelf& shelf, const std::string& name);

}  // namespace slip::wire::feast
