#include "app/commands.h"
#include "base/text.h"
#include "codec/json.h"

namespace slip::app {
namespace {

using codec::Json;

std::string shown(const Setting& s) { return s.row->secret && !s.value.empty() ? "…" : s.value; }

Json setting_json(const Setting& s) {
  return Json::object({{"name", s.row->name},
                       {"value", shown(s)},
                       {"origin", s.origin},
                       {"default", s.row->fallback},
                       {"variable", variable_of(*s.row)},
                       {"doc", s.row->doc}});
}

Result<int> list(cli::Call& call, const Sys& sys) {
  const Config config = TRY(config_of(call, sys));
  Json all = Json::array();
  for (const Setting& s : config.all()) {
    if (call.on("json"))
      all.push(setting_json(s));
    else
      call.terminal.out(concat({s.row->name, " = ", shown(s), "\t# ", s.origin, "\n"}));
  }
  if (call.on("json")) call.terminal.out(codec::to_json(all, 2) + "\n");
  return 0;
}

Result<std::string> known_key(const cli::Call& call) {
  std::string key = call.argument(0);
  for (char& c : key)
    if (c == '-') c = '_';
  if (find_setting(key) == nullptr)
    return not_found("config.unknown_key", concat({"no setting '", key, "'"}))
        .with_hint("slipway config list names them");
  return key;
}

Result<int> get(cli::Call& call, const Sys& sys) {
  const std::string key = TRY(known_key(call));
  const Config config = TRY(config_of(call, sys));
  call.terminal.out(shown(config.at(key)) + "\n");
  return 0;
}

Result<int> explain(cli::Call& call, const Sys& sys) {
  const std::string key = TRY(known_key(call));
  const Config config = TRY(config_of(call, sys));
  const Setting& s = config.at(key);
  if (call.on("json")) {
    call.terminal.out(codec::to_json(setting_json(s), 2) + "\n");
    return 0;
  }
  std::string out = concat({key, " = ", shown(s), "   from ", s.origin, "\n"});
  const std::vector<Setting>& candidates = config.candidates(key);
  for (size_t i = 1; i < candidates.size(); ++i)
    out += concat({"  overrides ", shown(candidates[i]), " from ", candidates[i].origin, "\n"});
  out += concat({s.row->doc, "\nset it with ", s.row->flag ? flag_of(*s.row) + ", " : "",
                 variable_of(*s.row), " or ", key, " = … in slipway.toml\n"});
  call.terminal.out(out);
  return 0;
}

}  // namespace

void add_config(cli::Commands& commands, const Sys& sys) {
  const std::vector<cli::Argument> key = {{"KEY", "name of a setting, such as data_dir"}};
  commands.add({"config list",
                "Every setting, its value and where that comes from.",
                {},
                setting_options(),
                [sys](cli::Call& call) { return list(call, sys); },
                ""});
  commands.add({"config get", "The value of a setting.", key, setting_options(),
                [sys](cli::Call& call) { return get(call, sys); }, ""});
  commands.add({"config explain", "Which source won, and what it overrode.", key, setting_options(),
                [sys](cli::Call& call) { return explain(call, sys); }, ""});
}

}  // namespace slip::app
