#pragma once

#include <functional>
#include <string>

#include "features/catalog.h"

// The table of definitions. All inside the caller's transaction.
namespace slip::features::sql {

Status insert_definition(store::Tx& tx, const std::string& project, const Applied& applied);
// Another description of the same meaning.
Status update_document(store::Tx& tx, const std::string& project, const Applied& applied);
Status delete_definition(store::Tx& tx, const std::string& project, Kind kind,
                         const std::string& name);
struct Stored {
  std::string project;
  std::string kind;
  std::string document;
  Applied applied;  // Without the definition.
};
Status each_definition(store::Tx& tx, const std::function<void(Stored)>& on_definition);

}  // namespace slip::features::sql
