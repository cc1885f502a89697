#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "codec/json.h"
#include "codec/table.h"
#include "features/features.h"
#include "features/files.h"

// What Feast's remote offline store asks for: a JSON command beside a table, whose answer is a
// table (Arrow IPC streams both). An order to write has no answer. Blocks; any thread.
//
// Errors: kInvalid `feast.command`, kUnsupported `feast.unsupported`, and those of features/.
namespace slip::wire::feast {

inline constexpr size_t kCommandBytesMax = 1 << 20;

enum class Api : uint8_t {
  kHistorical,
  kPullAll,
  kPullLatest,
  kColumns,
  kWrite,
  kValidate,
  kPersist,
};
struct Command {
  Api api = Api::kHistorical;
  codec::Json body;
};
Result<Command> parse_command(std::string_view text);

bool writes(const Command& command);       // Is done when its table has come.
bool changes(const Command& command);      // Rows here, or files: for who may edit.
bool wants_table(const Command& command);  // Says nothing without one.

// The projects that a command may be about, "" for the caller's: the one it names, the caller's own
// if that has what it names, else all others that have. Feast's client names it in some commands
// alone, and as it is called by the client where a registry's file was imported.
std::vector<std::string> projects_of(const features::Features& features, const Ctx& ctx,
                                     const Command& command);
bool wants_edit(const Command& command);  // Changes something, or looks at files that no source is.

struct Offline {
  features::Features& features;
  features::SourceFiles& files;
};
// Of a command that writes, or validates.
Status carry_out(const Offline& at, const Ctx& ctx, const Command& command,
                 codec::ByteSource& table);
// Of one that asks. `table` may be null when it isn't wanted.
Status answer(const Offline& at, const Ctx& ctx, const Command& command, codec::ByteSource* table,
              codec::ByteSink& out);

}  // namespace slip::wire::feast
