#include "wire/feast/flight.h"

#include <map>
#include <optional>
#include <utility>

#include <flight/flight.pb.h>

#include "base/text.h"
#include "codec/arrow_frames.h"
#include "grpc/exchange.h"
#include "sys/clock.h"
#include "sys/sync.h"
#include "wire/feast/errors.h"
#include "wire/feast/offline.h"

namespace slip::wire::feast {
namespace {

namespace proto = arrow::flight::protocol;
using codec::ByteSource;
using grpc::Reply;
using grpc::Request;

template <class Message>
Result<Message> parsed(std::string_view bytes) {
  Message out;
  if (!out.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return invalid("flight.message", "this is no message of that type");
  return out;
}

// Feast's client looks for its class of error behind these words.
Error as_feast(Error error) {
  error.text = concat({error.text, " Flight error: ", error_detail(error)});
  return error;
}
template <class T>
Result<T> as_feast(Result<T> result) {
  if (result.ok()) return result;
  return as_feast(std::move(result).error());
}

// ---- what waits to be fetched

struct Waiting {
  std::shared_ptr<ByteSource> table;
  int64_t since_ms = 0;
};

class Flights {
 public:
  explicit Flights(FlightApp with) : app(std::move(with)) {}

  Status keep(const Ctx& ctx, const std::string& command, std::shared_ptr<ByteSource> table) {
    const int64_t now = app.clock.now_ms();
    return waiting_.with([&](auto& all) -> Status {
      std::erase_if(all, [&](const auto& one) { return now - one.second.since_ms > kWaitMs; });
      if (all.size() >= kWaitingMax)
        return exhausted("flight.too_many", "too many tables wait to be fetched");
      all[key_of(ctx, command)] = {std::move(table), now};
      return {};
    });
  }
  bool has(const Ctx& ctx, const std::string& command) {
    return waiting_.with([&](auto& all) { return all.contains(key_of(ctx, command)); });
  }
  // Once.
  std::shared_ptr<ByteSource> take(const Ctx& ctx, const std::string& command) {
    return waiting_.with([&](auto& all) -> std::shared_ptr<ByteSource> {
      const auto found = all.find(key_of(ctx, command));
      if (found == all.end()) return nullptr;
      std::shared_ptr<ByteSource> out = std::move(found->second.table);
      all.erase(found);
      return out;
    });
  }
  std::vector<std::string> commands_of(const Ctx& ctx) {
    return waiting_.with([&](const auto& all) {
      std::vector<std::string> out;
      for (const auto& [key, one] : all)
        if (key.first == key_of(ctx, "").first) out.push_back(key.second);
      return out;
    });
  }

  const FlightApp app;

 private:
  using Key = std::pair<std::string, std::string>;  // Whose, and the command.
  static Key key_of(const Ctx& ctx, const std::string& command) {
    return {concat({ctx.project.text, "/", ctx.actor_uid}), command};
  }
  sys::Guarded<std::map<Key, Waiting>> waiting_;
};
using FlightsPtr = std::shared_ptr<Flights>;

Result<std::string> command_of(const proto::FlightDescriptor& descriptor) {
  if (descriptor.type() == proto::FlightDescriptor::PATH)
    return invalid("flight.descriptor", "paths name nothing here: a command is wanted");
  if (descriptor.cmd().empty()) return invalid("flight.descriptor", "a command is wanted");
  return descriptor.cmd();
}

// A command that waits, or that says everything by itself.
Result<Command> ready(Flights& flights, const Ctx& ctx, const std::string& text) {
  Command command = TRY(parse_command(text));
  if (writes(command)) return invalid("feast.command", "a command that writes has no answer");
  if (wants_table(command) && !flights.has(ctx, text))
    return not_found("flight.not_found", "no table was put for this command, or it was fetched");
  return command;
}

std::string schema_of_nothing() {
  std::string stream;
  const auto sink = codec::text_sink(&stream);
  const auto writer = codec::make_table_writer(codec::Format::kArrow, {}, *sink);
  if (!writer.ok() || !(*writer)->finish().ok()) return {};
  return stream.substr(0, stream.size() - codec::arrow_end().size());
}

// Columns are known once the answer is made, so none are told before.
proto::FlightInfo info_of(const std::string& command) {
  static const std::string kSchema = schema_of_nothing();
  proto::FlightInfo out;
  out.set_schema(kSchema);
  out.mutable_flight_descriptor()->set_type(proto::FlightDescriptor::CMD);
  out.mutable_flight_descriptor()->set_cmd(command);
  out.add_endpoint()->mutable_ticket()->set_ticket(command);
  out.set_total_records(-1);
  out.set_total_bytes(-1);
  return out;
}

bool names_project(const Command& command) {
  const codec::Json* project = command.body.find("project");
  return project != nullptr && project->is_string();
}

// Who calls, for as long as a stream lasts.
class Caller {
 public:
  explicit Caller(const Request& request)
      : authorization_(request.header("authorization")), peer_(request.peer) {}
  // In the project of a command, with the right that it takes: the only one of those it may be
  // about in which the caller has it, else the caller's own.
  Result<Ctx> enter(const FlightApp& app, const Ctx& ctx, const Command& command) const {
    Request request;
    request.metadata = {{"authorization", authorization_}};
    request.peer = peer_;
    const http::Right right = wants_edit(command) ? http::Right::kEdit : http::Right::kRead;
    const std::vector<std::string> projects = projects_of(app.features, ctx, command);
    if (projects.size() == 1 && (projects[0].empty() || names_project(command)))
      return app.enter(ctx, request, projects[0], right);
    std::vector<Ctx> open;
    for (const std::string& project : projects) {
      Result<Ctx> there = app.enter(ctx, request, project, right);
      if (there.ok()) open.push_back(std::move(*there));
    }
    if (open.size() == 1) return std::move(open[0]);
    return app.enter(ctx, request, "", right);
  }

 private:
  std::string authorization_;
  std::string peer_;
};

// ---- in

class Put final : public grpc::Exchange {
 public:
  Put(FlightsPtr flights, Caller caller)
      : flights_(std::move(flights)), caller_(std::move(caller)) {}

  Status take(const Ctx& ctx, std::string_view message) override {
    return as_feast(take_one(ctx, message));
  }
  Result<std::optional<std::string>> next(const Ctx& ctx) override {
    const Status done = as_feast(finish(ctx));
    if (!done.ok()) return done.error();
    return std::optional<std::string>();
  }

 private:
  Status take_one(const Ctx& ctx, std::string_view message) {
    const proto::FlightData data = TRY(parsed<proto::FlightData>(message));
    if (!spool_) {
      text_ = TRY(command_of(data.flight_descriptor()));
      command_ = TRY(parse_command(text_));
      TRY(caller_.enter(flights_->app, ctx, command_));
      spool_ = TRY(flights_->app.spool());
    }
    if (data.data_header().empty()) return {};  // Words beside the table.
    bytes_ += static_cast<int64_t>(data.data_header().size() + data.data_body().size());
    if (bytes_ > kPutBytesMax)
      return exhausted("flight.too_large",
                       concat({"a table may have at most ", format_size(kPutBytesMax)}));
    return spool_->write(codec::arrow_message(data.data_header(), data.data_body()));
  }

  Status finish(const Ctx& ctx) {
    if (!spool_) return invalid("flight.descriptor", "a table and its command are wanted");
    TRY(spool_->write(codec::arrow_end()));
    std::shared_ptr<ByteSource> table = TRY(spool_->bytes());
    const FlightApp& app = flights_->app;
    if (!writes(command_)) return flights_->keep(ctx, text_, std::move(table));
    const Ctx there = TRY(caller_.enter(app, ctx, command_));
    return carry_out({app.features, app.files}, there, command_, *table);
  }

  FlightsPtr flights_;
  Caller caller_;
  std::string text_;
  Command command_;
  std::unique_ptr<features::Spool> spool_;  // From the first message on.
  int64_t bytes_ = 0;
};

// ---- out

class Get final : public grpc::Exchange {
 public:
  Get(FlightsPtr flights, Caller caller, std::string text, Command command)
      : flights_(std::move(flights)),
        caller_(std::move(caller)),
        text_(std::move(text)),
        command_(std::move(command)) {}

  Status take(const Ctx&, std::string_view) override { return {}; }
  Result<std::optional<std::string>> next(const Ctx& ctx) override {
    return as_feast(next_frame(ctx));
  }

 private:
  Status make(const Ctx& ctx) {
    const std::shared_ptr<ByteSource> table = flights_->take(ctx, text_);
    if (table == nullptr && wants_table(command_))
      return not_found("flight.not_found", "the table was fetched meanwhile");
    const auto spool = TRY(flights_->app.spool());
    const FlightApp& app = flights_->app;
    const Ctx there = TRY(caller_.enter(app, ctx, command_));
    TRY(answer({app.features, app.files}, there, command_, table.get(), *spool));
    made_ = TRY(spool->bytes());
    frames_ = TRY(codec::ArrowFrames::open(*made_));
    return {};
  }
  Result<std::optional<std::string>> next_frame(const Ctx& ctx) {
    if (!frames_) TRY(make(ctx));
    std::optional<codec::ArrowFrame> frame = TRY(frames_->next());
    if (!frame) return std::optional<std::string>();
    proto::FlightData out;
    out.set_data_header(std::move(frame->head));
    out.set_data_body(std::move(frame->body));
    return std::optional(out.SerializeAsString());
  }

  FlightsPtr flights_;
  Caller caller_;
  std::string text_;
  Command command_;
  std::unique_ptr<ByteSource> made_;
  std::unique_ptr<codec::ArrowFrames> frames_;
};

// Messages that are there from the start.
class Listed final : public grpc::Exchange {
 public:
  explicit Listed(std::vector<std::string> messages) : messages_(std::move(messages)) {}
  Status take(const Ctx&, std::string_view) override { return {}; }
  Result<std::optional<std::string>> next(const Ctx&) override {
    if (at_ == messages_.size()) return std::optional<std::string>();
    return std::optional(std::move(messages_[at_++]));
  }

 private:
  std::vector<std::string> messages_;
  size_t at_ = 0;
};

// ---- rows

using Begun = Result<std::unique_ptr<grpc::Exchange>>;

Begun begin_get(const FlightsPtr& flights, const Ctx& ctx, const Request& request) {
  proto::Ticket ticket = TRY(parsed<proto::Ticket>(request.message));
  Result<Command> command = as_feast(ready(*flights, ctx, ticket.ticket()));
  if (!command.ok()) return command.error();
  return std::make_unique<Get>(flights, Caller(request), std::move(*ticket.mutable_ticket()),
                               std::move(*command));
}

Begun list_flights(Flights& flights, const Ctx& ctx) {
  std::vector<std::string> out;
  for (const std::string& command : flights.commands_of(ctx))
    out.push_back(info_of(command).SerializeAsString());
  return std::make_unique<Listed>(std::move(out));
}

Result<Reply> flight_info(Flights& flights, const Ctx& ctx, const Request& request) {
  const auto descriptor = TRY(parsed<proto::FlightDescriptor>(request.message));
  const std::string text = TRY(command_of(descriptor));
  TRY(ready(flights, ctx, text));
  return Reply{info_of(text).SerializeAsString()};
}

Result<Reply> schema(Flights& flights, const Ctx& ctx, const Request& request) {
  const auto descriptor = TRY(parsed<proto::FlightDescriptor>(request.message));
  TRY(ready(flights, ctx, TRY(command_of(descriptor))));
  return unsupported("flight.schema", "columns are known once the table is fetched");
}

grpc::Method row_of(std::string_view name, grpc::Kind kind, std::string summary) {
  grpc::Method r;
  r.name = concat({"arrow.flight.protocol.FlightService/", name});
  r.kind = kind;
  r.permission = {http::Right::kRead, "feature", http::On::kProject};
  r.audit = http::Audit::kNone;
  r.summary = std::move(summary);
  return r;
}

}  // namespace

std::vector<grpc::Method> flight_methods(FlightApp app) {
  const auto flights = std::make_shared<Flights>(std::move(app));
  using grpc::Kind;
  std::vector<grpc::Method> out;
  const auto stream = [&](std::string_view name, Kind kind, std::string summary) -> grpc::Method& {
    return out.emplace_back(row_of(name, kind, std::move(summary)));
  };
  grpc::Method& put =
      stream("DoPut", Kind::kBidi, "A command of Feast's offline store, and its table.");
  put.message_bytes_max = kFlightMessageBytesMax;
  put.audit = http::Audit::kCounted;
  put.begin = [flights](const Ctx&, const Request& request) -> Begun {
    return std::make_unique<Put>(flights, Caller(request));
  };
  stream("DoGet", Kind::kServerStream, "The table that answers a command.").begin =
      [flights](const Ctx& ctx, const Request& r) { return begin_get(flights, ctx, r); };
  stream("ListFlights", Kind::kServerStream, "The caller's commands that wait.").begin =
      [flights](const Ctx& ctx, const Request&) { return list_flights(*flights, ctx); };
  stream("ListActions", Kind::kServerStream, "Orders without a table: none.").begin =
      [](const Ctx&, const Request&) -> Begun {
    return std::make_unique<Listed>(std::vector<std::string>());
  };
  stream("DoAction", Kind::kServerStream, "An order without a table: none is known.").begin =
      [](const Ctx&, const Request& r) -> Begun {
    const auto action = TRY(parsed<proto::Action>(r.message));
    return unsupported("flight.action", concat({"no action '", action.type(), "'"}));
  };
  const auto unary = [&](std::string_view name, std::string summary, auto handler) {
    grpc::Method& row = out.emplace_back(row_of(name, Kind::kUnary, std::move(summary)));
    row.message_bytes_max = static_cast<int64_t>(2 * kCommandBytesMax);
    row.blocking = [flights, handler](const Ctx& ctx, Request& r) {
      return as_feast(handler(*flights, ctx, r));
    };
  };
  unary("GetFlightInfo", "The ticket of a command's answer.", flight_info);
  unary("GetSchema", "What columns an answer has: not told before it is made.", schema);
  return out;
}

}  // namespace slip::wire::feast
