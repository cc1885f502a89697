#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// What a row asks of its caller and how it is audited: one vocabulary for the rows of every plane.
// Values; any thread.
namespace slip::http {

// Names the right that a caller needs on the object of the route. kPublic: no credentials; the
// test of routes keeps the list of those.
enum class Right : uint8_t { kUnset, kPublic, kRead, kUse, kEdit, kManage };
// On what the right is needed, and who looks. A row that says nothing names an object, so one that
// forgets to say how its object is found doesn't start.
enum class On : uint8_t {
  kObject,   // What Route::needs finds, all of the row's own kind or parts of it.
  kObjects,  // The same, of other kinds too.
  kList,     // Many: the domain's query leaves out what the caller may not read.
  kNew,      // What the request makes.
  kProject,  // The project as a whole.
  kCaller,   // Nothing: it is enough to be somebody. What is behind the row judges by itself.
};
struct Permission {
  Right right = Right::kUnset;
  std::string_view resource;  // "model", "dataset", "run", "deployment", …
  On on = On::kObject;
};
// One right on one object, named by its uid; of a part (a run) by its container's.
struct Need {
  Right right = Right::kUnset;
  std::string_view kind;
  std::string uid;      // "": the project as a whole.
  bool is_new = false;  // Makes one; `uid` is empty.
};
std::vector<Need> one_need(Right right, std::string_view kind, std::string uid);
enum class Audit : uint8_t { kUnset, kNone, kCounted, kEvent, kGoverned };

}  // namespace slip::http
