#include <algorithm>
#include <array>
#include <unordered_map>
#include <vector>

#include "base/text.h"
#include "core/scan/globals.h"
#include "core/scan/reader.h"

// The pickle machine (protocols 0 to 5) without its effects: stack and memo hold what is needed to
// know which globals a stream names and where joblib puts raw array bytes between opcodes.
namespace slip::scan {
namespace {

constexpr size_t kTextMax = 512;  // Longer texts are no module, name or type.
constexpr size_t kLineMax = 4096;
constexpr std::string_view kWrapper = "joblib.numpy_pickle NumpyArrayWrapper";
constexpr std::string_view kDtypePrefix = "dtype ";

struct Value {
  enum class Kind : uint8_t { kOther, kMark, kText, kInt, kTuple, kDict, kGlobal, kObject };
  Kind kind = Kind::kOther;
  std::string text;      // The text; "module name" of a global; what an object was made by.
  int64_t number = 0;    // The integer; of a tuple the product of its integers, -1: not all are.
  bool aligned = false;  // An object's state says that joblib aligned its bytes.
};
using Kind = Value::Kind;

bool is_identifier(std::string_view text, bool dots) {
  if (text.empty() || text.size() > kTextMax) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9' && i > 0;
    if (!letter && !digit && !(dots && c == '.' && i > 0)) return false;
  }
  return true;
}

// Bytes of an element: "f8", "i4", "b1", "U5", "S3", "O" (0: a pickle follows); -1 not known.
int64_t item_bytes(std::string_view type) {
  if (!type.empty() && std::string_view("<>|=").find(type.front()) != std::string_view::npos)
    type.remove_prefix(1);
  if (type.empty()) return -1;
  if (type.front() == 'O') return 0;
  const std::optional<int64_t> n = parse_int(type.substr(1));
  if (!n || *n < 0 || *n > (1 << 20)) return -1;
  if (type.front() == 'U') return *n * 4;
  return std::string_view("biufcSVMm").find(type.front()) != std::string_view::npos ? *n : -1;
}

class Machine {
 public:
  Machine(Scan& scan, Reader& reader) : scan_(scan), reader_(reader) {}

  // One stream up to STOP. False: the bytes stopped making sense.
  bool run() {
    for (;;) {
      if (++scan_.opcodes > scan_.limits.opcodes) {
        scan_.limit("more opcodes than are looked at");
        named_ = true;
        return false;
      }
      if (stack_.size() > scan_.limits.stack || memo_.size() > scan_.limits.stack) {
        scan_.limit("a pickle whose stack is too deep");
        return false;
      }
      const auto op = reader_.byte();
      if (!op) return false;
      if (*op == '.') return !stack_.empty();
      if (!step(static_cast<char>(*op))) return false;
    }
  }
  bool named() const { return named_; }  // A global was named: a pickle, whatever follows.

 private:
  bool step(char op);
  bool step_text(char op);
  bool step_container(char op);
  bool step_memo(char op);
  bool step_call(char op);

  bool push(Value v = {}) {
    stack_.push_back(std::move(v));
    return true;
  }
  bool pop(size_t n = 1) {
    if (stack_.size() < n) return false;
    stack_.resize(stack_.size() - n);
    return true;
  }
  bool replace(size_t n, Value v = {}) { return pop(n) && push(std::move(v)); }
  // Index after the topmost mark, or npos.
  size_t marked() const {
    for (size_t i = stack_.size(); i > 0; --i)
      if (stack_[i - 1].kind == Kind::kMark) return i;
    return std::string::npos;
  }
  bool pop_to_mark() {
    const size_t from = marked();
    if (from == std::string::npos) return false;
    stack_.resize(from - 1);
    return true;
  }
  static Value text(std::string value) {
    Value v{.kind = Kind::kText, .text = std::move(value), .number = 0};
    if (v.text.size() > kTextMax) v = Value();
    return v;
  }
  bool push_text(std::optional<uint64_t> size) {
    if (!size || *size > static_cast<uint64_t>(std::max<int64_t>(reader_.left(), 0))) return false;
    if (*size > kTextMax) return reader_.skip(static_cast<int64_t>(*size)) && push();
    auto bytes = reader_.bytes(static_cast<size_t>(*size));
    return bytes && push(text(std::move(*bytes)));
  }
  bool skip_sized(std::optional<uint64_t> size) {
    return size && *size <= static_cast<uint64_t>(std::max<int64_t>(reader_.left(), 0)) &&
           reader_.skip(static_cast<int64_t>(*size)) && push();
  }
  bool push_int(std::optional<uint64_t> value) {
    return value && push({.kind = Kind::kInt, .text = "", .number = static_cast<int64_t>(*value)});
  }
  static Value tuple(std::span<const Value> items) {
    Value out{.kind = Kind::kTuple, .text = "", .number = 1};
    for (const Value& v : items) {
      if (v.kind == Kind::kText && out.text.empty()) out.text = v.text;
      const bool fits = v.kind == Kind::kInt && out.number >= 0 && v.number >= 0 &&
                        !__builtin_mul_overflow(out.number, v.number, &out.number);
      if (!fits) out.number = -1;
    }
    return out;
  }
  bool global(const std::string& module, const std::string& name) {
    if (!is_identifier(module, true) || !is_identifier(name, true)) return false;
    named_ = true;
    const Verdict verdict = judge_global(module, name);
    if (verdict != Verdict::kClean)
      scan_.found(verdict, "pickle.global", concat({module, ".", name}));
    return push({.kind = Kind::kGlobal, .text = concat({module, " ", name}), .number = 0});
  }
  bool put(int64_t index) {
    if (stack_.empty() || index < 0) return false;
    memo_top_ = std::max(memo_top_, index + 1);
    const Value& v = stack_.back();
    if (v.kind == Kind::kOther || v.kind == Kind::kMark)
      memo_.erase(index);
    else
      memo_[index] = v;
    return true;
  }
  bool get(std::optional<uint64_t> index) {
    if (!index || static_cast<int64_t>(*index) >= memo_top_) return false;
    const auto found = memo_.find(static_cast<int64_t>(*index));
    return push(found == memo_.end() ? Value() : found->second);
  }
  // What a call makes.
  static Value made(const Value& callable, const Value& args) {
    Value out{.kind = Kind::kObject, .text = callable.text, .number = 0};
    if (callable.text == "numpy dtype") out.text = concat({kDtypePrefix, args.text});
    return out;
  }
  void set_item(Value* dict, const Value& key, const Value& value) {
    if (key.kind != Kind::kText) return;
    if (key.text == "shape" && value.kind == Kind::kTuple) dict->number = value.number;
    if (key.text == "dtype" && value.text.starts_with(kDtypePrefix)) dict->text = value.text;
    if (key.text == "numpy_array_alignment_bytes" && value.kind == Kind::kInt) dict->aligned = true;
  }
  bool set_items(size_t from, size_t dict_at) {
    if ((stack_.size() - from) % 2 != 0) return false;
    for (size_t i = from; i + 1 < stack_.size(); i += 2)
      set_item(&stack_[dict_at], stack_[i], stack_[i + 1]);
    return true;
  }
  bool build();

  Scan& scan_;
  Reader& reader_;
  std::vector<Value> stack_;
  std::unordered_map<int64_t, Value> memo_;
  int64_t memo_top_ = 0;
  bool named_ = false;
};

bool Machine::step(char op) {
  switch (op) {
    case '\x80':  // PROTO
      return reader_.skip(1);
    case '\x95':  // FRAME
      return reader_.skip(8);
    case '(':  // MARK
      return push({.kind = Kind::kMark, .text = "", .number = 0});
    case '0':  // POP
      return pop();
    case '1':  // POP_MARK
      return pop_to_mark();
    case '2':  // DUP
      return !stack_.empty() && push(Value(stack_.back()));
    case 'N':     // NONE
    case '\x88':  // NEWTRUE
    case '\x89':  // NEWFALSE
      return push();
    case '\x97':  // NEXT_BUFFER
      return push();
    case '\x98':  // READONLY_BUFFER
      return !stack_.empty();
    case 'K':  // BININT1
      return push_int(reader_.little(1));
    case 'M':  // BININT2
      return push_int(reader_.little(2));
    case 'J':  // BININT
      return push_int(reader_.little(4));
    case 'G':  // BINFLOAT
      return reader_.skip(8) && push();
    default:
      return step_text(op);
  }
}

bool Machine::step_text(char op) {
  switch (op) {
    case 'I':  // INT
    case 'L':  // LONG
    case 'F':  // FLOAT
    {
      const auto line = reader_.line(kLineMax);
      if (!line || line->empty()) return false;
      const auto number = parse_int(*line);
      return push(number ? Value{.kind = Kind::kInt, .text = "", .number = *number} : Value());
    }
    case 'S':  // STRING
    case 'V':  // UNICODE
    {
      auto line = reader_.line(kLineMax);
      if (!line) return false;
      if (op == 'S') {
        const char quote = line->empty() ? '\0' : line->front();
        if (line->size() < 2 || (quote != '\'' && quote != '"') || line->back() != quote)
          return false;
        *line = line->substr(1, line->size() - 2);
      }
      return push(text(std::move(*line)));
    }
    case 'U':     // SHORT_BINSTRING
    case '\x8c':  // SHORT_BINUNICODE
      return push_text(reader_.little(1));
    case 'T':  // BINSTRING
    case 'X':  // BINUNICODE
      return push_text(reader_.little(4));
    case '\x8d':  // BINUNICODE8
      return push_text(reader_.little(8));
    case 'C':     // SHORT_BINBYTES
    case '\x8a':  // LONG1
      return skip_sized(reader_.little(1));
    case 'B':     // BINBYTES
    case '\x8b':  // LONG4
      return skip_sized(reader_.little(4));
    case '\x8e':  // BINBYTES8
    case '\x96':  // BYTEARRAY8
      return skip_sized(reader_.little(8));
    default:
      return step_container(op);
  }
}

bool Machine::step_container(char op) {
  const auto fresh = [](Kind kind) { return Value{.kind = kind, .text = "", .number = 0}; };
  switch (op) {
    case ')':  // EMPTY_TUPLE
      return push(tuple({}));
    case ']':     // EMPTY_LIST
    case '\x8f':  // EMPTY_SET
      return push();
    case '}':  // EMPTY_DICT
      return push(fresh(Kind::kDict));
    case 't': {  // TUPLE
      const size_t from = marked();
      if (from == std::string::npos) return false;
      Value made = tuple(std::span(stack_).subspan(from));
      return pop_to_mark() && push(std::move(made));
    }
    case '\x85':  // TUPLE1
    case '\x86':  // TUPLE2
    case '\x87':  // TUPLE3
    {
      const size_t n = static_cast<uint8_t>(op) - 0x84U;
      if (stack_.size() < n) return false;
      Value made = tuple(std::span(stack_).last(n));
      return replace(n, std::move(made));
    }
    case 'l':     // LIST
    case '\x91':  // FROZENSET
      return pop_to_mark() && push();
    case 'd':  // DICT
    {
      const size_t from = marked();
      if (from == std::string::npos) return false;
      stack_[from - 1] = fresh(Kind::kDict);
      if (!set_items(from, from - 1)) return false;
      stack_.resize(from);
      return true;
    }
    case 'a':  // APPEND
      return stack_.size() >= 2 && pop();
    case 'e':     // APPENDS
    case '\x90':  // ADDITEMS
      return pop_to_mark() && !stack_.empty();
    case 's':  // SETITEM
      if (stack_.size() < 3) return false;
      return set_items(stack_.size() - 2, stack_.size() - 3) && pop(2);
    case 'u': {  // SETITEMS
      const size_t from = marked();
      if (from == std::string::npos || from < 2) return false;
      return set_items(from, from - 2) && pop_to_mark();
    }
    default:
      return step_memo(op);
  }
}

bool Machine::step_memo(char op) {
  switch (op) {
    case 'p':  // PUT
    case 'g':  // GET
    {
      const auto line = reader_.line(20);
      const auto index = line ? parse_int(*line) : std::nullopt;
      if (!index || *index < 0) return false;
      return op == 'p' ? put(*index) : get(static_cast<uint64_t>(*index));
    }
    case 'q':  // BINPUT
    case 'r':  // LONG_BINPUT
    {
      const auto index = reader_.little(op == 'q' ? 1 : 4);
      return index && put(static_cast<int64_t>(*index));
    }
    case '\x94':  // MEMOIZE
      return put(memo_top_);
    case 'h':  // BINGET
      return get(reader_.little(1));
    case 'j':  // LONG_BINGET
      return get(reader_.little(4));
    default:
      return step_call(op);
  }
}

bool Machine::step_call(char op) {
  switch (op) {
    case 'c': {  // GLOBAL
      const auto module = reader_.line(kTextMax);
      const auto name = module ? reader_.line(kTextMax) : std::nullopt;
      return name && global(*module, *name);
    }
    case 'i': {  // INST
      const auto module = reader_.line(kTextMax);
      const auto name = module ? reader_.line(kTextMax) : std::nullopt;
      if (!name || marked() == std::string::npos) return false;
      return pop_to_mark() && global(*module, *name);
    }
    case '\x93': {  // STACK_GLOBAL
      if (stack_.size() < 2) return false;
      const Value name = stack_.back();
      const Value module = stack_[stack_.size() - 2];
      if (!pop(2)) return false;
      if (name.kind == Kind::kText && module.kind == Kind::kText)
        return global(module.text, name.text);
      named_ = true;
      scan_.found(Verdict::kDangerous, "pickle.computed_global",
                  "a global whose name is computed while loading");
      return push();
    }
    case '\x82':  // EXT1
    case '\x83':  // EXT2
    case '\x84':  // EXT4
      scan_.found(Verdict::kUnknown, "pickle.extension", "an extension code");
      return reader_.skip(op == '\x82' ? 1 : op == '\x83' ? 2 : 4) && push();
    case 'P':  // PERSID
      return reader_.line(kLineMax) && push();
    case 'Q':  // BINPERSID
      return replace(1);
    case 'R':     // REDUCE
    case '\x81':  // NEWOBJ
    {
      if (stack_.size() < 2) return false;
      Value object = made(stack_[stack_.size() - 2], stack_.back());
      return replace(2, std::move(object));
    }
    case '\x92':  // NEWOBJ_EX
    {
      if (stack_.size() < 3) return false;
      Value object = made(stack_[stack_.size() - 3], stack_[stack_.size() - 2]);
      return replace(3, std::move(object));
    }
    case 'o': {  // OBJ
      const size_t from = marked();
      if (from == std::string::npos || from >= stack_.size()) return false;
      Value object = made(stack_[from], {});
      return pop_to_mark() && push(std::move(object));
    }
    case 'b':  // BUILD
      return build();
    default:
      return false;
  }
}

bool Machine::build() {
  if (stack_.size() < 2) return false;
  const Value state = stack_.back();
  if (!pop()) return false;
  if (stack_.back().text != kWrapper) return true;
  // Joblib: here the array's bytes interrupt the pickle.
  const int64_t item = state.text.starts_with(kDtypePrefix)
                           ? item_bytes(std::string_view(state.text).substr(kDtypePrefix.size()))
                           : -1;
  if (item == 0) {
    Machine nested(scan_, reader_);
    const bool good = nested.run();
    named_ = named_ || nested.named();
    return good;
  }
  int64_t size = 0;
  if (item < 0 || state.number < 0 || __builtin_mul_overflow(item, state.number, &size)) {
    scan_.found(Verdict::kUnknown, "pickle.joblib", "an array whose size is not understood");
    return false;
  }
  if (state.aligned) {
    const auto padding = reader_.byte();
    if (!padding || !reader_.skip(*padding)) return false;
  }
  return reader_.skip(size);
}

}  // namespace

bool scan_pickle(Scan& scan, Reader& reader) {
  // Several pickles may follow each other (torch's old format, dumps appended to a file).
  bool any = false;
  while (reader.left() > 0) {
    const int64_t begun = reader.position();
    Machine machine(scan, reader);
    const bool whole = machine.run();
    if (!whole && !machine.named()) {
      reader.seek(begun);
      return any;
    }
    any = true;
    if (!whole) {
      scan.found(Verdict::kUnknown, "pickle.broken",
                 "a pickle that ends or breaks off after naming a global");
      return true;
    }
  }
  return any;
}

}  // namespace slip::scan
