#include "test/http/route_sweep.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/text.h"
#include "test/http/world.h"

namespace slip::http::testing {
namespace {

std::string row_name(const Route& row) { return concat({method_name(row.method), " ", row.path}); }

// Every parameter becomes "x".
std::string example_path(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const size_t open = std::min(path.find('{'), path.size());
    out.append(path.substr(0, open));
    path.remove_prefix(open);
    if (path.empty()) break;
    out.push_back('x');
    path.remove_prefix(path.find('}') + 1);
  }
  return out;
}

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

class Caller {
 public:
  explicit Caller(const Sweep& sweep) : sweep_(sweep) {}

  // A connection each: refusals may close theirs. Reads the head only, for rows that stream.
  RawReply call(std::string_view method, std::string_view path, std::string_view headers,
                std::string_view body = "") const {
    RawClient client(sweep_.port);
    client.send(concat(
        {method, " ", path, " HTTP/1.1\r\nHost: localhost\r\n", headers,
         body.empty() ? "" : concat({"Content-Length: ", std::to_string(body.size()), "\r\n"}),
         "\r\n", body}));
    return client.reply(true);
  }
  std::string with_rights() const { return header(sweep_.authorization); }
  std::string as_stranger() const { return header(sweep_.foreign_authorization); }

 private:
  static std::string header(std::string_view value) {
    return value.empty() ? "" : concat({"Authorization: ", value, "\r\n"});
  }
  const Sweep& sweep_;
};

void as_nobody(const Caller& caller, const Route& row, const std::string& path) {
  const std::string_view method = method_name(row.method);
  EXPECT_EQ(caller.call(method, path, "").status, 401) << "as nobody";
  EXPECT_EQ(caller.call(method, path, caller.as_stranger()).status, 401) << "foreign token";
  EXPECT_EQ(caller.call(method, "/~other" + path, "").status, 401) << "in another project";
  // Before the body: a stranger can't make the server read, or hold, anything.
  EXPECT_EQ(caller.call(method, path, "Content-Length: 4000000000\r\n").status, 401)
      << "as nobody, with a body";
  const std::string disguises[] = {path + "/", "/" + path, upper(path), "/%2f" + path.substr(1)};
  for (const std::string& disguise : disguises) {
    if (disguise == path) continue;
    const int status = caller.call(method, disguise, "").status;
    EXPECT_TRUE(status >= 300 && status < 500) << "disguised as " << disguise << ": " << status;
  }
  const std::string_view reading = row.method == Method::kGet ? "HEAD" : method;
  EXPECT_EQ(caller.call(reading, path, "").status, 401) << "by HEAD";
  const int overridden =
      caller.call("POST", path, concat({"X-HTTP-Method-Override: ", method, "\r\n"})).status;
  EXPECT_TRUE(overridden == 401 || overridden == 404 || overridden == 405)
      << "by an overridden method: " << overridden;
}

void with_bad_bodies(const Caller& caller, const Route& row, const std::string& path) {
  const std::string_view method = method_name(row.method);
  const std::string rights = caller.with_rights();
  if (row.body.kind == BodyKind::kNone) {
    EXPECT_EQ(caller.call(method, path, rights, "x").status, row.admit ? 403 : 400)
        << "a body where none belongs";
    return;
  }
  const std::string beyond =
      concat({"Content-Length: ", std::to_string(row.body.limit_bytes + 1), "\r\n"});
  if (row.admit) {  // Without its right, not a byte of the body is read.
    EXPECT_EQ(caller.call(method, path, rights + beyond).status, 403) << "without a right";
    return;
  }
  EXPECT_EQ(caller.call(method, path, rights + beyond).status, 413) << "oversized";
  const std::string garbage[] = {
      std::string("\x00\xff{\"a\":[", 7),
      "{\"a\":",
      "[[[[",
      "null",
      "\"\\ud800\"",
      std::string(5000, '['),
  };
  for (const std::string& body : garbage) {
    const std::string type = rights + "Content-Type: application/json\r\n";
    const int status = caller.call(method, path, type, body).status;
    // 501: an error with a reason, declared by the row's protocol.
    EXPECT_TRUE(status == 501 || (status >= 200 && status < 500 && status != 401))
        << "garbage " << body.substr(0, 10) << ": " << status;
  }
}

}  // namespace

void sweep_routes(std::span<const Route> rows, const Sweep& sweep) {
  const Caller caller(sweep);
  std::vector<std::string> open;
  for (const Route& row : rows) {
    SCOPED_TRACE(row_name(row));
    const std::string path = example_path(row.path);
    if (row.permission.right == Right::kPublic) {
      open.push_back(row_name(row));
    } else {
      as_nobody(caller, row, path);
    }
    with_bad_bodies(caller, row, path);
  }
  std::ranges::sort(open);
  EXPECT_EQ(open, sweep.public_rows);
}

}  // namespace slip::http::testing
