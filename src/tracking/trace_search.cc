#include "tracking/trace_search.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <utility>

#include "base/text.h"

namespace slip::tracking {
namespace {

using search::Comparison;
using search::Op;
using search::Sql;
using search::Type;

struct Attribute {
  std::string_view name;
  std::string_view expr;  // May be NULL in SQL: then nothing compares.
  Type type;
};
// Times are kept in microseconds and asked for in milliseconds.
constexpr std::array<Attribute, 13> kAttributes = {{
    {"request_id", "t.trace_id", Type::kText},
    {"trace_id", "t.trace_id", Type::kText},
    {"client_request_id", "t.client_request_id", Type::kText},
    {"name", "t.name", Type::kText},
    {"status",
     "CASE t.state WHEN 1 THEN 'OK' WHEN 2 THEN 'ERROR' WHEN 3 THEN 'IN_PROGRESS'"
     " ELSE 'STATE_UNSPECIFIED' END",
     Type::kText},
    {"timestamp", "(t.request_us / 1000)", Type::kInteger},
    {"timestamp_ms", "(t.request_us / 1000)", Type::kInteger},
    {"request_time", "(t.request_us / 1000)", Type::kInteger},
    {"execution_time", "(t.duration_us / 1000)", Type::kInteger},
    {"execution_time_ms", "(t.duration_us / 1000)", Type::kInteger},
    {"execution_duration", "(t.duration_us / 1000)", Type::kInteger},
    {"end_time", "((t.request_us + COALESCE(t.duration_us, 0)) / 1000)", Type::kInteger},
    {"end_time_ms", "((t.request_us + COALESCE(t.duration_us, 0)) / 1000)", Type::kInteger},
}};
constexpr std::string_view kRunKey = "mlflow.sourceRun";
constexpr std::string_view kNameKey = "mlflow.traceName";
constexpr std::string_view kSessionKey = "mlflow.trace.session";

bool is_attribute(std::string_view entity) {
  return entity.empty() || entity == "attribute" || entity == "attributes" || entity == "trace";
}
bool is_tag(std::string_view entity) { return entity == "tag" || entity == "tags"; }
bool is_metadata(std::string_view entity) {
  return entity == "metadata" || entity == "request_metadata";
}

Result<const Attribute*> attribute(std::string_view name) {
  for (const Attribute& a : kAttributes)
    if (a.name == name) return &a;
  return invalid("filter.key",
                 concat({"Invalid attribute key '", name,
                         "' specified. Valid keys are '['client_request_id', 'end_time', "
                         "'execution_time', 'name', 'prompt', 'request_id', 'run_id', 'status', "
                         "'text', 'timestamp']'"}));
}

constexpr search::Pairs kTags = {"trace_tag", "p.project = t.project AND p.trace_id = t.trace_id"};
constexpr search::Pairs kMetadata = {"trace_metadata",
                                     "p.project = t.project AND p.trace_id = t.trace_id"};

// A tag or metadata that has a column of its own.
Status add_promoted(Sql* sql, std::string_view column, const Comparison& c) {
  if (c.op != Op::kIsNull && c.op != Op::kIsNotNull) return search::add_text_test(sql, column, c);
  sql->add(column).add(c.op == Op::kIsNull ? " IS NULL" : " IS NOT NULL");
  return {};
}

// ---- time, so that the index by time serves
bool add_time_test(Sql* sql, const Comparison& c) {
  constexpr int64_t kFar = std::numeric_limits<int64_t>::max() / 1000 - 1;
  if (c.values.size() != 1 || !c.values.front().is_number) return false;
  const auto ms = parse_int(c.values.front().text);
  if (!ms || *ms > kFar || *ms < -kFar) return false;
  switch (c.op) {
    case Op::kGt:
      sql->add("t.request_us >= ?").bind((*ms + 1) * 1000);
      return true;
    case Op::kGe:
      sql->add("t.request_us >= ?").bind(*ms * 1000);
      return true;
    case Op::kLt:
      sql->add("t.request_us < ?").bind(*ms * 1000);
      return true;
    case Op::kLe:
      sql->add("t.request_us < ?").bind((*ms + 1) * 1000);
      return true;
    case Op::kEq:
      sql->add("(t.request_us >= ? AND t.request_us < ?)").bind(*ms * 1000).bind((*ms + 1) * 1000);
      return true;
    default:
      return false;
  }
}

// ---- links
Status add_run(Sql* sql, Comparison c) {
  c.key.name = kRunKey;
  if (c.op != Op::kEq) return search::add_pair_test(sql, kMetadata, c);
  sql->add("(");
  TRY(search::add_pair_test(sql, kMetadata, c));
  sql->add(
         " OR EXISTS (SELECT 1 FROM trace_link l WHERE l.project = t.project AND l.kind = 'run'"
         " AND l.target = ? AND l.trace_id = t.trace_id))")
      .bind(c.values.front().text);
  return {};
}

Status add_prompt(Sql* sql, const Comparison& c) {
  if (c.op != Op::kEq)
    return invalid("filter.operator",
                   concat({"Invalid comparator '", c.op_written,
                           "' for prompts filter. Only '=' is supported with format: prompt = "
                           "\"name/version\""}));
  const std::string& value = c.values.front().text;
  if (std::count(value.begin(), value.end(), '/') != 1)
    return invalid("filter.value", concat({"Invalid prompts filter value '", value,
                                           "'. Expected format: prompt = \"name/version\""}));
  sql->add(
         "EXISTS (SELECT 1 FROM trace_link l WHERE l.project = t.project AND l.kind = 'prompt'"
         " AND l.target = ? AND l.trace_id = t.trace_id)")
      .bind(value);
  return {};
}

// ---- spans: conditions on alias s of one EXISTS
constexpr std::string_view kSpanStatus =
    "CASE s.status WHEN 1 THEN 'OK' WHEN 2 THEN 'ERROR' ELSE 'UNSET' END";

Status add_content(Sql* sql, const Comparison& c) {
  if (c.op != Op::kLike && c.op != Op::kILike)
    return invalid("filter.operator", concat({"span.content comparator '", c.op_written,
                                              "' not one of '{'LIKE', 'ILIKE'}'"}));
  std::string_view separator = "(";
  for (const std::string_view column : {"s.attributes", "s.name", "s.body"}) {
    sql->add(std::exchange(separator, " OR "));
    TRY(search::add_text_test(sql, column, c));
  }
  sql->add(")");
  return {};
}

// The value of one attribute: what stands between its key's marks (trace_spans.h).
Status add_span_attribute(Sql* sql, const Comparison& c) {
  const std::string name = c.key.name.substr(std::string_view("attributes.").size());
  if (name.empty())
    return invalid("filter.key", "Span attribute name cannot be empty after 'attributes.'");
  const std::string mark = concat({"\x1f", name, "\x1e"});
  sql->add("split_part(s.attributes, ?, 2) <> '' AND ").bind(mark);
  Sql value;
  TRY(search::add_text_test(&value, "split_part(split_part(s.attributes, ?, 2), ?, 1)", c));
  // The expression may be written only once: its arguments go before the test's own.
  sql->add(value.text).bind(mark).bind(std::string("\x1d"));
  sql->args.insert(sql->args.end(), value.args.begin(), value.args.end());
  return {};
}

Status add_span(Sql* sql, const Comparison& c) {
  if (c.key.name == "content" || c.key.entity != "span") return add_content(sql, c);
  TRY(search::check_op(c, search::kTextOps));
  if (c.key.name.starts_with("attributes.")) return add_span_attribute(sql, c);
  if (c.key.name == "status") return search::add_text_test(sql, kSpanStatus, c);
  if (c.key.name == "name") return search::add_text_test(sql, "s.name", c);
  if (c.key.name == "type") return search::add_text_test(sql, "s.type", c);
  return invalid("filter.key", concat({"Invalid span attribute '", c.key.name,
                                       "'. Supported attributes: name, status, type, "
                                       "attributes.<attribute_name>."}));
}

bool is_of_span(const Comparison& c) {
  return c.key.entity == "span" || (is_attribute(c.key.entity) && c.key.name == "text");
}

// ---- assessments
Status add_value_test(Sql* sql, const Comparison& c) {
  const auto wrong = [&](std::string_view what) {
    return invalid("filter.value", concat({"Expected a ", what, " value for ", c.key.entity,
                                           " when using comparator '", c.op_written,
                                           "'. Got value ", c.values.front().text}));
  };
  if (c.op == Op::kGt || c.op == Op::kGe || c.op == Op::kLt || c.op == Op::kLe) {
    if (!c.values.front().is_number) return wrong("numeric");
    sql->add("a.is_number = 1 AND ");
    return search::add_number_test(sql, "a.number", c);
  }
  if (c.values.front().is_number) return wrong("quoted string");
  if (c.op != Op::kEq && c.op != Op::kNe) return search::add_text_test(sql, "a.value", c);
  // A text is kept as JSON: 'yes' means "yes", true or 5 as they stand.
  std::string quoted;
  for (const char ch : c.values.front().text) {
    if (ch == '"' || ch == '\\') quoted += '\\';
    quoted += ch;
  }
  sql->add(c.op == Op::kEq ? "a.value IN (?, ?)" : "a.value NOT IN (?, ?)")
      .bind(c.values.front().text)
      .bind(concat({"\"", quoted, "\""}));
  return {};
}

// Of the trace itself, or said of the session by way of another trace of it.
Status add_assessment(Sql* sql, const Comparison& c) {
  TRY(search::check_op(c, {Op::kNe, Op::kEq, Op::kGt, Op::kGe, Op::kLt, Op::kLe, Op::kLike,
                           Op::kILike, Op::kRegex, Op::kIsNull, Op::kIsNotNull}));
  Sql test;
  test.add("a.kind = ? AND a.name = ? AND a.valid = 1").bind(c.key.entity).bind(c.key.name);
  if (c.op != Op::kIsNull && c.op != Op::kIsNotNull) {
    test.add(" AND ");
    TRY(add_value_test(&test, c));
  }
  const auto append = [&] {
    sql->add(test.text);
    sql->args.insert(sql->args.end(), test.args.begin(), test.args.end());
  };
  sql->add(c.op == Op::kIsNull ? "NOT (" : "(");
  sql->add(
      "EXISTS (SELECT 1 FROM trace_assessment a WHERE a.project = t.project"
      " AND a.trace_id = t.trace_id AND ");
  append();
  sql->add(
      ") OR (t.session_id IS NOT NULL AND EXISTS (SELECT 1 FROM trace_assessment a"
      " JOIN trace o ON o.project = a.project AND o.trace_id = a.trace_id"
      " WHERE a.project = t.project AND a.of_session = 1 AND o.experiment_id = t.experiment_id"
      " AND o.session_id = t.session_id AND ");
  append();
  sql->add(")))");
  return {};
}

Status add_issue(Sql* sql, const Comparison& c) {
  if (c.key.name != "id")
    return invalid("filter.key", concat({"Invalid issue attribute '", c.key.name,
                                         "'. Supported attributes: id"}));
  TRY(search::check_op(c, {Op::kEq}));
  sql->add(
      "EXISTS (SELECT 1 FROM trace_assessment a WHERE a.project = t.project"
      " AND a.trace_id = t.trace_id AND a.kind = 'issue' AND ");
  TRY(search::add_text_test(sql, "a.name", c));
  sql->add(")");
  return {};
}

// ---- one test, and those that stand together
Status add_column(Sql* sql, const Attribute& a, const Comparison& c) {
  if (a.type != Type::kInteger) return search::add_text_test(sql, a.expr, c);
  if (a.expr == "(t.request_us / 1000)" && add_time_test(sql, c)) return {};
  return search::add_integer_test(sql, a.expr, c);
}

class TraceTests final : public search::Tests {
 public:
  Status add(Sql* sql, const Comparison& test) override;
  Status add_all(Sql* sql, std::span<const Comparison* const> tests) override;

 private:
  static Status add_spans(Sql* sql, std::span<const Comparison* const> tests);
};

Status TraceTests::add_spans(Sql* sql, std::span<const Comparison* const> tests) {
  sql->add(
      "EXISTS (SELECT 1 FROM trace_span s WHERE s.project = t.project"
      " AND s.trace_id = t.trace_id");
  for (const Comparison* test : tests) {
    sql->add(" AND ");
    TRY(add_span(sql, *test));
  }
  sql->add(")");
  return {};
}

Status TraceTests::add_all(Sql* sql, std::span<const Comparison* const> tests) {
  std::vector<const Comparison*> of_span;
  std::vector<const Comparison*> others;
  for (const Comparison* test : tests) (is_of_span(*test) ? of_span : others).push_back(test);
  if (!others.empty()) TRY(Tests::add_all(sql, others));
  if (of_span.empty()) return {};
  if (!others.empty()) sql->add(" AND ");
  return add_spans(sql, of_span);
}

Status TraceTests::add(Sql* sql, const Comparison& c) {
  if (is_of_span(c)) {
    const Comparison* const alone[] = {&c};
    return add_spans(sql, alone);
  }
  if (is_tag(c.key.entity))
    return c.key.name == kNameKey ? add_promoted(sql, "t.name", c)
                                  : search::add_pair_test(sql, kTags, c);
  if (is_metadata(c.key.entity)) {
    if (c.key.name == kRunKey) return add_run(sql, c);
    return c.key.name == kSessionKey ? add_promoted(sql, "t.session_id", c)
                                     : search::add_pair_test(sql, kMetadata, c);
  }
  if (c.key.entity == "feedback" || c.key.entity == "expectation") return add_assessment(sql, c);
  if (c.key.entity == "issue") return add_issue(sql, c);
  if (!is_attribute(c.key.entity))
    return invalid("filter.entity",
                   concat({"Invalid entity type '", c.key.entity,
                           "'. Valid values are {'tag', 'tags', 'attribute', 'attributes', "
                           "'trace', 'metadata', 'request_metadata', 'span', 'feedback', "
                           "'expectation', 'issue'}"}));
  if (c.key.name == "run_id") return add_run(sql, c);
  if (c.key.name == "prompt") return add_prompt(sql, c);
  return add_column(sql, *TRY(attribute(c.key.name)), c);
}

}  // namespace

Result<TraceConditions> trace_conditions(const std::vector<int64_t>& experiment_ids,
                                         const std::string& filter) {
  TraceConditions out;
  if (experiment_ids.empty()) {
    out.where.add(" AND 1 = 0");
  } else {
    out.where.add(" AND t.experiment_id IN (");
    for (size_t i = 0; i < experiment_ids.size(); ++i)
      out.where.add(i ? ", ?" : "?").bind(experiment_ids[i]);
    out.where.add(")");
  }
  const search::Filter parsed = TRY(search::parse_filter(filter));
  for (const search::Filter& part : parsed.parts)
    if (part.kind == search::Filter::Kind::kTest && part.test.key.entity == "span" &&
        part.test.key.name == "name" && part.test.op == Op::kEq)
      out.span_names.push_back(part.test.values.front().text);
  TraceTests tests;
  TRY(search::add_filter(&out.where, parsed, tests));
  return out;
}

void add_span_name_drive(Sql* where, const std::string& project, const std::string& name) {
  where
      ->add(
          " AND t.trace_id IN (SELECT d.trace_id FROM trace_span d WHERE d.project = ?"
          " AND d.name = ?)")
      .bind(project)
      .bind(name);
}

Result<std::vector<search::SortKey>> trace_sort_keys(const std::vector<std::string>& order_by) {
  std::vector<search::SortKey> out;
  std::set<std::string> seen;
  for (const std::string& text : order_by) {
    const search::Order order = TRY(search::parse_order(text));
    if (!seen.insert(concat({order.key.entity, ".", order.key.name})).second)
      return invalid("filter.order", "`order_by` contains duplicate fields");
    search::SortKey present{.expr = {}, .args = {}};
    search::SortKey value{
        .expr = {}, .type = Type::kText, .ascending = order.ascending, .args = {}};
    std::string expr;
    const bool run = is_attribute(order.key.entity) && order.key.name == "run_id";
    if (is_attribute(order.key.entity) && !run) {
      if (order.key.name == "experiment_id") {
        expr = "t.experiment_id";
        value.type = Type::kInteger;
      } else {
        const Attribute& a = *TRY(attribute(order.key.name));
        expr = a.expr;
        value.type = a.type;
      }
    } else if (run || is_tag(order.key.entity) || is_metadata(order.key.entity)) {
      expr = concat({"(SELECT p.value FROM ",
                     is_tag(order.key.entity) ? "trace_tag" : "trace_metadata",
                     " p WHERE p.project = t.project AND p.trace_id = t.trace_id AND p.key = ?)"});
      present.args = {run ? std::string(kRunKey) : order.key.name};
      value.args = present.args;
    } else {
      return invalid("filter.order", concat({"Invalid order_by entity `", order.key.entity,
                                             "` with key `", order.key.name, "`"}));
    }
    present.expr = concat({"CASE WHEN ", expr, " IS NULL THEN 1 ELSE 0 END"});
    value.expr = concat({"COALESCE(", expr, value.type == Type::kInteger ? ", 0)" : ", '')"});
    out.push_back(std::move(present));
    out.push_back(std::move(value));
  }
  out.push_back({.expr = "t.request_us", .ascending = false, .args = {}});
  out.push_back({.expr = "t.trace_id", .type = Type::kText, .args = {}});
  return out;
}

}  // namespace slip::tracking
