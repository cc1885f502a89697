#include <algorithm>

#include "app/commands.h"
#include "app/limits.h"
#include "base/text.h"
#include "codec/json.h"
#include "sys/clock.h"
#include "sys/fs.h"
#include "sys/process.h"
#include "sys/rng.h"

namespace slip::app {
namespace {

using codec::Json;

std::string_view right_name(http::Right right) {
  switch (right) {
    case http::Right::kUnset:
      return "unset";
    case http::Right::kPublic:
      return "public";
    case http::Right::kRead:
      return "read";
    case http::Right::kUse:
      return "use";
    case http::Right::kEdit:
      return "edit";
    case http::Right::kManage:
      return "manage";
  }
  CHECK(false);
}

std::string_view audit_name(http::Audit audit) {
  switch (audit) {
    case http::Audit::kUnset:
      return "unset";
    case http::Audit::kNone:
      return "none";
    case http::Audit::kCounted:
      return "counted";
    case http::Audit::kEvent:
      return "event";
    case http::Audit::kGoverned:
      return "governed";
  }
  CHECK(false);
}

std::string new_folder(const Sys& sys) {
  const std::string tmp = sys.process.env("TMPDIR");
  return concat(
      {tmp.empty() ? "/tmp" : tmp, "/slipway-dump-", new_uuid7(sys.clock, sys.rng).hex()});
}

// The rows exist only bound to a server's parts, so one is opened on a folder of its own.
class Throwaway {
 public:
  static Result<Throwaway> open(const Sys& sys) {
    Throwaway out(sys, new_folder(sys));
    Config config = TRY(Config::resolve(
        {.fs = sys.fs,
         .process = sys.process,
         .flags = {{"data_dir", out.dir_}, {"db", ""}, {"auth", "off"}, {"host", "127.0.0.1"}},
         .file = ""}));
    out.world_ = TRY(World::open(sys, std::move(config)));
    out.rows_ = TRY(out.world_->prepare());
    return out;
  }
  Throwaway(Throwaway&&) = default;
  ~Throwaway() {
    if (!world_) return;
    rows_.clear();
    world_.reset();
    ignore(sys_.fs.remove_all(dir_), "a leftover in the temporary folder");
  }
  World& world() { return *world_; }
  std::vector<http::Route>& rows() { return rows_; }

 private:
  Throwaway(const Sys& sys, std::string dir) : sys_(sys), dir_(std::move(dir)) {}
  Sys sys_;
  std::string dir_;
  std::unique_ptr<World> world_;
  std::vector<http::Route> rows_;
};

void print(cli::Call& call, const Json& rows) { call.terminal.out(codec::to_json(rows, 2) + "\n"); }

Json route_json(const http::Route& r) {
  return Json::object({{"method", http::method_name(r.method)},
                       {"path", r.path},
                       {"right", right_name(r.permission.right)},
                       {"resource", r.permission.resource},
                       {"audit", audit_name(r.audit)},
                       {"body_bytes_max", r.body.limit_bytes},
                       {"inline", static_cast<bool>(r.inline_)},
                       {"summary", r.summary}});
}

Result<int> dump_routes(cli::Call& call, const Sys& sys) {
  Throwaway open = TRY(Throwaway::open(sys));
  std::sort(open.rows().begin(), open.rows().end(), [](const http::Route& a, const http::Route& b) {
    return std::tie(a.path, a.method) < std::tie(b.path, b.method);
  });
  Json out = Json::array();
  for (const http::Route& row : open.rows()) out.push(route_json(row));
  print(call, out);
  return 0;
}

Result<int> dump_methods(cli::Call& call, const Sys& sys) {
  Throwaway open = TRY(Throwaway::open(sys));
  std::vector<grpc::Method> rows = TRY(open.world().prepare_methods());
  std::ranges::sort(rows, {}, &grpc::Method::name);
  Json out = Json::array();
  for (const grpc::Method& m : rows)
    out.push(Json::object({{"method", m.name},
                           {"kind", grpc::kind_name(m.kind)},
                           {"right", right_name(m.permission.right)},
                           {"resource", m.permission.resource},
                           {"audit", audit_name(m.audit)},
                           {"message_bytes_max", m.message_bytes_max},
                           {"inline", static_cast<bool>(m.inline_)},
                           {"summary", m.summary}}));
  print(call, out);
  return 0;
}

Result<int> dump_openapi(cli::Call& call, const Sys& sys) {
  Throwaway open = TRY(Throwaway::open(sys));
  call.terminal.out(open.world().openapi);
  return 0;
}

// By the steps, so that it says what schema.sql should hold, whatever it holds.
Result<int> dump_schema(cli::Call& call, const Sys& sys) {
  const std::string dir = new_folder(sys);
  TRY(sys.fs.make_dirs(dir));
  const auto dumped = [&]() -> Result<std::string> {
    const auto db = TRY(
        store::open_sqlite({sys.fs, sys.clock, sys.executor, sys.log}, dir + "/slipway.db", {}));
    const std::vector<store::Migration> steps = all_migrations();
    TRY(store::migrate(*db, steps));
    return store::dump_schema(*db, steps);
  }();
  ignore(sys.fs.remove_all(dir), "a leftover in the temporary folder");
  call.terminal.out(TRY(dumped));
  return 0;
}

Result<int> dump_metrics(cli::Call& call, const Sys& sys) {
  static constexpr std::array<std::string_view, 3> kKinds = {"counter", "gauge", "histogram"};
  Throwaway open = TRY(Throwaway::open(sys));
  Json out = Json::array();
  for (const telemetry::MetricRow& m : open.world().metrics.rows())
    out.push(Json::object({{"name", m.name},
                           {"kind", kKinds[static_cast<size_t>(m.kind)]},
                           {"labels", m.labels},
                           {"help", m.help}}));
  print(call, out);
  return 0;
}

Result<int> dump_settings(cli::Call& call) {
  Json out = Json::array();
  for (const SettingRow& s : settings())
    out.push(Json::object({{"name", s.name},
                           {"flag", s.flag ? flag_of(s) : std::string()},
                           {"variable", variable_of(s)},
                           {"default", s.fallback},
                           {"unit", s.unit},
                           {"secret", s.secret},
                           {"doc", s.doc}}));
  print(call, out);
  return 0;
}

Result<int> dump_limits(cli::Call& call) {
  Json out = Json::array();
  for (const LimitRow& l : limits())
    out.push(
        Json::object({{"name", l.name}, {"value", l.value}, {"unit", l.unit}, {"doc", l.doc}}));
  print(call, out);
  return 0;
}

}  // namespace

void add_dump(cli::Commands& commands, const Sys& sys) {
  commands.add({"dump routes",
                "Every route: right, resource, audit class, body limit.",
                {},
                {},
                [sys](cli::Call& call) { return dump_routes(call, sys); },
                ""});
  commands.add({"dump methods",
                "Every method of gRPC: kind, right, resource, audit class, message limit.",
                {},
                {},
                [sys](cli::Call& call) { return dump_methods(call, sys); },
                ""});
  commands.add({"dump openapi",
                "The API as an OpenAPI document.",
                {},
                {},
                [sys](cli::Call& call) { return dump_openapi(call, sys); },
                ""});
  commands.add({"dump schema",
                "What the database of a new data directory is made of, as SQL.",
                {},
                {},
                [sys](cli::Call& call) { return dump_schema(call, sys); },
                ""});
  commands.add({"dump metrics",
                "Every metric: kind, labels, meaning.",
                {},
                {},
                [sys](cli::Call& call) { return dump_metrics(call, sys); },
                ""});
  commands.add({"dump settings", "Every setting of the server.", {}, {}, dump_settings, ""});
  commands.add({"dump limits", "Every limit that a user can run into.", {}, {}, dump_limits, ""});
}

}  // namespace slip::app
