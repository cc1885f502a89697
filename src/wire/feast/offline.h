#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "codec/json.h"
#include "codec/table.h"
#include "features/features.h"

// What Feast's remote offline store asks for: a JSON command beside a table, whose answer is a
// table (Arrow IPC streams both). An order to write has no answer. Blocks; any thread.
//
// Errors: kInvalid `feast.command`, kUnsupported `feast.unsupported`, and those of features/.
namespace slip::wire::feast {

inline constexpr size_t kCommandBytesMax = 1 << 20;

enum class Api : uint8_t { kHistorical, kPullAll, kPullLatest, kColumns, kWrite, kValidate };
struct Command {
  Api api = Api::kHistorical;
  codec::Json body;
};
Result<Command> parse_command(std::string_view text);

bool writes(const Command& command);       // Is done when its table has come.
bool wants_table(const Command& command);  // Says nothing without one.

// Of a command that writes, or validates.
Status carry_out(features::Features& features, const Ctx& ctx, const Command& command,
                 codec::ByteSource& table);
// Of one that asks. `table` may be null when it isn't wanted.
Status answer(features::Features& features, const Ctx& ctx, const Command& command,
              codec::ByteSource* table, codec::ByteSink& out);

}  // namespace slip::wire::feast
