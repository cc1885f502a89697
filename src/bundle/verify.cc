#include <algorithm>

#include "base/text.h"
#include "bundle/bundle.h"
#include "bundle/manifest_internal.h"
#include "codec/hash.h"
#include "engine/expr/expr.h"

namespace slip::bundle {

using codec::Json;

Error bad_manifest(std::string_view what) {
  return invalid("bundle.manifest", concat({"manifest.json: ", what}));
}

namespace {

Result<const std::string*> file_of(const Files& files, std::string_view name) {
  const auto at = files.find(std::string(name));
  if (at == files.end()) return corrupt("bundle.file", concat({"there is no ", name}));
  return &at->second;
}

Status check_digest(const std::string& name, const std::string& bytes, std::string_view want) {
  if (codec::sha256(bytes).hex() == want) return {};
  return corrupt("bundle.digest", concat({name, " isn't the file that was signed"}));
}

class Verifier {
 public:
  Verifier(const Files& files, const std::map<std::string, std::string>& keys)
      : files_(files), keys_(keys) {}

  Result<Verified> run() {
    TRY(signature());
    out_.manifest = TRY(codec::parse_json(*TRY(file_of(files_, kManifest))));
    if (TRY(codec::want_string(out_.manifest, "format")) != kFormat)
      return bad_manifest("a format that this build doesn't read");
    TRY(digests());
    TRY(answers());
    TRY(transforms());
    return std::move(out_);
  }

 private:
  Status signature() {
    const std::string& envelope = *TRY(file_of(files_, kEnvelope));
    const Json said = TRY(sign::verify(envelope, keys_));
    if (TRY(codec::want_string(said, "predicateType")) != kPredicateType)
      return invalid("envelope.syntax", "the signature is about something else than a bundle");
    const Json* subjects = said.find("subject");
    if (subjects == nullptr || !subjects->is_array() || subjects->items().size() != 1)
      return invalid("envelope.syntax", "the signature names no manifest");
    const Json& subject = subjects->items().front();
    const Json* digest = subject.find("digest");
    if (digest == nullptr) return invalid("envelope.syntax", "the signature has no digest");
    TRY(check_digest(std::string(kManifest), *TRY(file_of(files_, kManifest)),
                     TRY(codec::want_string(*digest, "sha256"))));
    const Json parsed = TRY(codec::parse_json(envelope));
    const Json* signatures = parsed.find("signatures");
    if (signatures != nullptr && signatures->is_array() && !signatures->items().empty())
      out_.keyid = TRY(codec::string_or(signatures->items().front(), "keyid", ""));
    return {};
  }

  Status one_digest(const Json& from, bool may_miss, bool* there) {
    const std::string path = TRY(codec::want_string(from, "path"));
    const auto at = files_.find(path);
    *there = at != files_.end();
    if (!*there)
      return may_miss ? Status() : Status(corrupt("bundle.file", concat({"there is no ", path})));
    known_.push_back(path);
    return check_digest(path, at->second, TRY(codec::want_string(from, "sha256")));
  }

  // Every file is the one that was named, and there is none besides.
  Status digests() {
    const Json* files = out_.manifest.find("files");
    if (files == nullptr || !files->is_array()) return bad_manifest("it names no files");
    bool there = false;
    for (const Json& f : files->items()) TRY(one_digest(f, false, &there));
    const Json* runtime = out_.manifest.find("runtime");
    const Json* more = runtime == nullptr ? nullptr : runtime->find("files");
    if (more != nullptr && more->is_array()) {
      out_.runtime = true;
      for (const Json& f : more->items()) {
        TRY(one_digest(f, true, &there));
        out_.runtime = out_.runtime && there;
      }
    }
    for (const auto& [name, bytes] : files_)
      if (name != kManifest && name != kEnvelope && std::ranges::find(known_, name) == known_.end())
        return corrupt("bundle.file", concat({name, " isn't named by the manifest"}));
    return {};
  }

  Result<std::optional<Decision>> decision() const {
    const Json* from = out_.manifest.find("decision");
    if (from == nullptr) return std::optional<Decision>();
    Decision out;
    out.output = TRY(codec::want_string(*from, "output"));
    out.column = TRY(codec::want_int(*from, "column"));
    out.threshold = TRY(codec::want_double(*from, "threshold"));
    return std::optional(out);
  }

  Status answers() {
    const Target target = TRY(parse_target(TRY(codec::want_string(out_.manifest, "target"))));
    const Json* model = out_.manifest.find("model");
    const Json* golden = out_.manifest.find("golden");
    if (model == nullptr || golden == nullptr) return bad_manifest("it has no model or no golden");
    const std::string& bytes = *TRY(file_of(files_, TRY(codec::want_string(*model, "file"))));
    const std::unique_ptr<serving::Model> executor = TRY(executor_of(target, bytes));
    const Golden wanted =
        TRY(read_golden(*TRY(file_of(files_, TRY(codec::want_string(*golden, "file"))))));
    Tolerance tolerance;
    tolerance.atol = TRY(codec::want_double(*golden, "atol"));
    tolerance.rtol = TRY(codec::want_double(*golden, "rtol"));
    const std::optional<Decision> meant = TRY(decision());
    const std::vector<serving::Tensor> got = TRY(executor->run(wanted.inputs, {}));
    out_.rows = wanted.rows;
    out_.parity = TRY(compare(wanted.outputs, got, tolerance, meant ? &*meant : nullptr));
    return {};
  }

  Status transforms() {
    if (!files_.contains("transforms.json")) return {};
    const Json all = TRY(codec::parse_json(files_.at("transforms.json")));
    if (!all.is_array()) return bad_manifest("transforms.json is no list");
    for (const Json& one : all.items()) {
      engine::expr::Schema schema;
      const Json* inputs = one.find("inputs");
      if (inputs == nullptr || !inputs->is_array())
        return bad_manifest("a transform has no inputs");
      for (const Json& in : inputs->items()) {
        std::string name = TRY(codec::want_string(in, "name"));
        const auto type = TRY(engine::expr::parse_type(TRY(codec::want_string(in, "type"))));
        schema.push_back({std::move(name), type});
      }
      const std::string text = TRY(codec::want_string(one, "expression"));
      const auto program = engine::expr::compile(text, schema);
      if (!program.ok() && program.error().reason == "expr.zone") {
        ++out_.transforms_apart;
        continue;
      }
      if (!program.ok()) return program.error();
      if (program->hash() != TRY(codec::want_string(one, "hash")))
        return corrupt("bundle.transform", concat({"`", text, "` computes something else here"}));
      ++out_.transforms;
    }
    return {};
  }

  const Files& files_;
  const std::map<std::string, std::string>& keys_;
  std::vector<std::string> known_;
  Verified out_;
};

}  // namespace

Result<Verified> verify(const Files& files, const std::map<std::string, std::string>& keys) {
  return Verifier(files, keys).run();
}

}  // namespace slip::bundle
