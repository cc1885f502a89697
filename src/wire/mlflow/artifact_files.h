#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "http/route.h"
#include "tracking/artifacts.h"
#include "wire/mlflow/rows.h"

// What the files about artifacts share: an artifact as an answer, and paths below a root.
namespace slip::wire::mlflow {

inline constexpr int64_t kArtifactBytesMax = int64_t{1} << 40;

// The value of Content-Disposition for a download under that name.
std::string disposition(std::string_view name);
// Says of the reply's body what its name tells.
void name_file(http::Reply* reply, std::string_view path);

// As a download, whatever it is: nothing that a user stored is ever run by a browser in our origin.
Result<http::Reply> entry_reply(App& app, const store::tree::Entry& entry);
Result<http::Reply> file_reply(App& app, const Ctx& ctx, const std::string& path);

// A path that a caller gives below a root must stay below it. Files and directories there, be the
// root ours or the operator's own directory; others are not opened.
Result<std::string> path_below(std::string_view uri, const std::string& rest);
Result<http::Reply> reply_below(App& app, const Ctx& ctx, std::string_view uri,
                                const std::string& rest);
Result<std::vector<tracking::FileInfo>> list_below(App& app, const Ctx& ctx, std::string_view uri,
                                                   const std::string& rest);
Status put_below(App& app, const Ctx& ctx, std::string_view uri,
                 std::pair<std::string, store::BlobDraft*> file);
std::string join_path(std::string_view base, std::string_view rest);

// A value of the query that must be there; "run_id" also under its old name.
Result<std::string> wanted(const http::Request& request, std::string_view name);

// Rows with replies of their own kind.
using Call = Result<http::Reply> (*)(App&, const Ctx&, http::Request&);
// Whose files the request is about, read from it as `call` reads it.
using FindFiles = Result<Needs> (*)(App&, const Ctx&, http::Right, const http::Request&);
struct Door {
  http::Method method;
  std::string_view summary;
  Call call;
  FindFiles find;                           // Null: public, and the row admits by itself.
  http::Right right = http::Right::kUnset;  // As the method says: read, edit, manage.
};
http::Route artifact_route(const App& app, const Door& door);

}  // namespace slip::wire::mlflow
