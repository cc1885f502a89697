#include "app/functions.h"

#include "base/text.h"
#include "sys/clock.h"

namespace slip::app {
namespace {

using features::FeatureType;

constexpr int64_t kCallNs = 30'000'000'000;

// As Arrow calls it.
std::string arrow_type(const FeatureType& type) {
  using engine::Type;
  const auto scalar = [&](Type of) -> std::string {
    switch (of) {
      case Type::kBool:
        return "bool";
      case Type::kInt64:
        return type.flags ? "bool" : type.narrow ? "int32" : "int64";
      case Type::kDouble:
        return type.narrow ? "float" : "double";
      case Type::kTimestampUs:
        return "timestamp[us, tz=UTC]";
      case Type::kBytes:
        return "binary";
      case Type::kText:
      case Type::kList:
        break;
    }
    return "string";
  };
  if (type.type != Type::kList) return scalar(type.type);
  return concat({"list<item: ", scalar(type.item), ">"});
}

worker::PythonFunction function_of(const features::CompiledOnDemand& what) {
  const features::PythonFunction& from = *what.definition.python;
  using Mode = worker::PythonFunction::Mode;
  worker::PythonFunction out;
  out.name = concat({"on-demand view ", what.name});
  switch (from.mode) {
    case features::PythonFunction::Mode::kPandas:
      out.mode = Mode::kPandas;
      break;
    case features::PythonFunction::Mode::kPython:
      out.mode = Mode::kPython;
      break;
    case features::PythonFunction::Mode::kSingleton:
      out.mode = Mode::kPythonSingleton;
      break;
  }
  out.source = from.source;
  out.entry = from.entry;
  out.pickle = from.pickle;
  const features::OnDemand& d = what.definition;
  for (size_t i = 0; i < d.inputs.size(); ++i)
    if (what.input_types[i].type == engine::Type::kList)
      out.lists.push_back({d.inputs[i].name, arrow_type(what.input_types[i])});
  for (const features::FeatureField& f : d.request)
    if (f.type.type == engine::Type::kList) out.lists.push_back({f.name, arrow_type(f.type)});
  for (const features::FeatureField& f : what.features)
    out.outputs.push_back({f.name, arrow_type(f.type)});
  return out;
}

}  // namespace

Result<codec::Table> WorkerFunctions::call(const features::CompiledOnDemand& what,
                                           const codec::Table& in) {
  std::string stream;
  const auto sink = codec::text_sink(&stream);
  const auto writer = TRY(codec::make_table_writer(codec::Format::kArrow, in.schema, *sink));
  TRY(writer->write(in));
  TRY(writer->finish());
  Ctx ctx;
  ctx.project.text = what.project;
  ctx.deadline_ns = clock_.steady_ns() + kCallNs;  // Waiting for a worker counts.
  const auto source = codec::text_source(TRY(workers_.call(ctx, function_of(what), stream)));
  codec::ReadOptions options;
  options.nested = true;
  options.batch_rows = in.rows + 1;
  const auto reader = TRY(codec::open_table(codec::Format::kArrow, *source, options));
  codec::Table out = codec::make_table(reader->schema());
  while (const std::optional<codec::Table> batch = TRY(reader->next())) {
    if (out.rows == 0)
      out = std::move(*batch);
    else
      return invalid("worker.output", concat({what.name, ": an answer in several batches"}));
  }
  return out;
}

}  // namespace slip::app
