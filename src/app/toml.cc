#include "app/toml.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace slip::app {
namespace {

bool is_key_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

class Line {
 public:
  Line(std::string_view text, int number) : rest_(text), number_(number) {}

  Error error(std::string_view what) const {
    return invalid("config.toml", "line " + std::to_string(number_) + ": " + std::string(what));
  }
  void skip_blanks() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t')) rest_.remove_prefix(1);
  }
  bool take(char c) {
    skip_blanks();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool at_end() {
    skip_blanks();
    return rest_.empty() || rest_[0] == '#';
  }

  Result<std::string> key() {
    std::string out;
    do {
      skip_blanks();
      const size_t n = static_cast<size_t>(
          std::find_if_not(rest_.begin(), rest_.end(), is_key_char) - rest_.begin());
      if (n == 0) return error("a key is letters, digits, _ and -");
      if (!out.empty()) out += '.';
      out += rest_.substr(0, n);
      rest_.remove_prefix(n);
    } while (take('.'));
    return out;
  }

  Result<std::string> string() {
    const char quote = rest_[0];
    rest_.remove_prefix(1);
    std::string out;
    while (!rest_.empty() && rest_[0] != quote) {
      char c = rest_[0];
      rest_.remove_prefix(1);
      if (c == '\\' && quote == '"') {
        static constexpr std::string_view kFrom = "\"\\nrt";
        static constexpr std::string_view kTo = "\"\\\n\r\t";
        const size_t at = rest_.empty() ? kFrom.npos : kFrom.find(rest_[0]);
        if (at == kFrom.npos) return error("an escape is one of \\\" \\\\ \\n \\r \\t");
        c = kTo[at];
        rest_.remove_prefix(1);
      }
      out += c;
    }
    if (rest_.empty()) return error("a string doesn't end");
    rest_.remove_prefix(1);
    return out;
  }

  Result<std::string> scalar() {
    skip_blanks();
    if (rest_.empty()) return error("a value is missing");
    if (rest_[0] == '"' || rest_[0] == '\'') return string();
    const size_t end = std::min(rest_.find_first_of(" \t#,]"), rest_.size());
    std::string word(rest_.substr(0, end));
    rest_.remove_prefix(end);
    if (word == "true" || word == "false") return word;
    std::erase(word, '_');
    if (word.empty() || !parse_double(word))
      return error(concat({"'", word, "' is no value; strings need quotes"}));
    return word;
  }

  Result<std::string> value() {
    if (!take('[')) return scalar();
    std::string out;
    while (!take(']')) {
      if (!out.empty() && !take(',')) return error("an array's items are separated by commas");
      if (take(']')) break;  // After a last comma.
      skip_blanks();
      if (rest_.empty() || (rest_[0] != '"' && rest_[0] != '\''))
        return error("an array holds strings, on one line");
      const std::string item = TRY(string());
      if (item.empty() || item.find(',') != item.npos)
        return error("an item of an array is neither empty nor has a comma");
      if (!out.empty()) out += ',';
      out += item;
    }
    return out;
  }

 private:
  std::string_view rest_;
  const int number_;
};

}  // namespace

Result<std::vector<TomlEntry>> parse_toml(std::string_view text) {
  if (text.size() > kTomlBytesMax) return invalid("config.toml", "line 1: the file is too large");
  if (!is_utf8(text)) return invalid("config.toml", "line 1: the file isn't UTF-8");
  std::vector<TomlEntry> out;
  std::set<std::string> seen;
  std::string section;
  int number = 0;
  for (std::string_view raw : split(text, '\n')) {
    ++number;
    if (raw.ends_with('\r')) raw.remove_suffix(1);
    Line line(raw, number);
    if (line.at_end()) continue;
    if (line.take('[')) {
      section = TRY(line.key()) + ".";
      if (!line.take(']') || !line.at_end()) return line.error("a section is [name]");
      continue;
    }
    TomlEntry entry;
    entry.line = number;
    entry.key = section + TRY(line.key());
    if (!line.take('=')) return line.error("expected = after the key");
    entry.value = TRY(line.value());
    if (!line.at_end()) return line.error("something follows the value");
    if (!seen.insert(entry.key).second) return line.error(concat({entry.key, " is set twice"}));
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace slip::app
