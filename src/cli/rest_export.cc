#include <algorithm>
#include <array>

#include "base/text.h"
#include "bundle/bundle.h"
#include "cli/print.h"
#include "cli/rest.h"
#include "codec/hash.h"
#include "sys/fs.h"

namespace slip::cli {
namespace {

using bundle::Files;
using codec::Json;

constexpr int64_t kFileBytesMax = int64_t{2} << 30;
constexpr int kFolderDepthMax = 2;

struct Named {
  std::string model;
  std::string version;  // A number.
};

Result<std::string> by_alias(Remote& remote, const std::string& model, const std::string& alias) {
  const Json shown = TRY(remote.get("/models/" + percent_encode(model)));
  const Json* aliases = shown.find("aliases");
  const Json* held = aliases ? aliases->find(alias) : nullptr;
  if (!held || !held->is_int())
    return not_found("model_alias.not_found",
                     concat({"no version of ", model, " has the alias ", alias}));
  return std::to_string(held->as_int());
}

Result<std::string> in_production(Remote& remote, const std::string& model) {
  const Json shown = TRY(remote.get("/models/" + percent_encode(model)));
  const Json* live = field_of(shown, "stages.Production");
  if (live == nullptr || !live->is_int())
    return not_found("model_version.not_found",
                     concat({"nothing of ", model, " is in production: name a version"}));
  return std::to_string(live->as_int());
}

// MODEL, MODEL/7, MODEL@7 or MODEL@ALIAS.
Result<Named> named(Remote& remote, const std::string& text) {
  Named out{text, ""};
  const size_t slash = text.rfind('/'), mark = text.rfind('@');
  if (slash != text.npos && parse_int(text.substr(slash + 1))) {
    out = {text.substr(0, slash), text.substr(slash + 1)};
  } else if (mark != text.npos && mark > 0) {
    out = {text.substr(0, mark), text.substr(mark + 1)};
    if (!parse_int(out.version)) out.version = TRY(by_alias(remote, out.model, out.version));
  } else {
    out.version = TRY(in_production(remote, out.model));
  }
  return out;
}

// The browser's runtime out of the package's folder: these very files or none.
Status add_runtime(Fs& fs, const std::string& from, Files* files) {
  for (const bundle::WebFile& f : bundle::kWebFiles) {
    std::string bytes = TRY(read_file(fs, concat({from, "/", f.name}), kFileBytesMax));
    if (codec::sha256(bytes).hex() != f.sha256)
      return corrupt("bundle.runtime", concat({from, "/", f.name, " isn't that of ",
                                               bundle::kWebPackage, " ", bundle::kWebVersion}));
    (*files)[concat({"ort/", f.name})] = std::move(bytes);
  }
  return {};
}

// All of it appears at once.
Status write_bundle(Fs& fs, const Files& files, const std::string& folder) {
  if (fs.stat(folder).ok())
    return exists("export.exists", concat({folder, " is there already"}))
        .with_hint("--out names another folder");
  const std::string part = folder + ".part";
  TRY(fs.remove_all(part));
  TRY(fs.make_dirs(part));
  for (const auto& [name, bytes] : files) {
    const std::string path = concat({part, "/", name});
    TRY(fs.make_dirs(parent_dir(path)));
    TRY(write_file_atomic(fs, path, bytes));
  }
  TRY(fs.rename(part, folder));
  return fs.sync_dir(parent_dir(folder));
}

Result<int> export_model(Call& call, Remote& remote, Fs& fs) {
  const Named what = TRY(named(remote, call.argument(0)));
  const std::string target = call.text("target");
  const std::string query =
      query_of({{"target", target}, {"golden", call.on("from-traffic") ? "traffic" : ""}});
  const std::string path =
      concat({"/models/", percent_encode(what.model), "/versions/", what.version, "/bundle"});
  std::string bytes;
  TRY(remote.download(path + query, [&](std::string_view piece) -> Status {
    bytes += piece;
    return {};
  }));
  Files files = TRY(bundle::unpack(bytes));
  const auto at = files.find(std::string(bundle::kManifest));
  if (at == files.end()) return corrupt("bundle.file", "the server's bundle has no manifest");
  const Json manifest = TRY(codec::parse_json(at->second));
  const std::string runtime = call.text("runtime");
  if (!runtime.empty() && target != "web")
    return invalid("usage.option", "--runtime is for --target web");
  if (!runtime.empty()) TRY(add_runtime(fs, runtime, &files));
  const std::string out = call.text("out", concat({what.model, "-", what.version, "-", target}));
  TRY(write_bundle(fs, files, out));
  Json said = Json::object({{"out", out}, {"target", target}, {"model", what.model}});
  said.set("version", *parse_int(what.version));
  if (const Json* from = field_of(manifest, "golden.from")) said.set("golden_from", *from);
  if (const Json* rows = field_of(manifest, "golden.rows")) said.set("golden_rows", *rows);
  said.set("files", static_cast<int64_t>(files.size()));
  print_fields(call, said);
  if (target == "web" && runtime.empty() && !call.on("json"))
    call.terminal.err(
        concat({"put ", bundle::kWebFiles[0].name, " and ", bundle::kWebFiles[1].name,
                " of the npm package ", bundle::kWebPackage, "@", bundle::kWebVersion,
                " (dist/) into ", out, "/ort/, or name its folder with --runtime\n"}));
  return 0;
}

Status read_folder(Fs& fs, const std::string& folder, const std::string& below, Files* out) {
  if (std::ranges::count(below, '/') > kFolderDepthMax)
    return corrupt("bundle.file", concat({below, " lies too deep"}));
  for (const FileInfo& f : TRY(fs.list(folder + (below.empty() ? "" : "/" + below)))) {
    const std::string name = below.empty() ? f.name : concat({below, "/", f.name});
    if (f.is_dir) {
      TRY(read_folder(fs, folder, name, out));
    } else {
      (*out)[name] = TRY(read_file(fs, concat({folder, "/", name}), kFileBytesMax));
    }
  }
  return {};
}

Result<std::map<std::string, std::string>> keys_of(Call& call, const Connect& connect, Fs& fs) {
  std::map<std::string, std::string> keys;
  const std::string file = call.text("key");
  if (!file.empty()) {
    const std::string pem = TRY(read_file(fs, file, 1 << 20));
    keys[sign::key_id(pem)] = pem;
    return keys;
  }
  const std::unique_ptr<Remote> server = TRY(connect(call));
  const std::string listed =
      TRY(server->raw(http::Method::kGet, "/.well-known/slipway/signing-keys", ""));
  const Json served = TRY(codec::parse_json(listed));
  if (const Json* list = served.find("keys"); list != nullptr && list->is_array())
    for (const Json& key : list->items()) {
      const std::string pem = TRY(codec::want_string(key, "public_key_pem"));
      keys[sign::key_id(pem)] = pem;
    }
  return keys;
}

Result<int> verify(Call& call, const Connect& connect, Fs& fs) {
  Files files;
  TRY(read_folder(fs, call.argument(0), "", &files));
  const bundle::Verified done = TRY(bundle::verify(files, TRY(keys_of(call, connect, fs))));
  const bundle::Parity& p = done.parity;
  const bool holds = p.outside == 0 && p.flips == 0;
  Json said = Json::object({{"holds", holds}, {"key", done.keyid}, {"rows", done.rows}});
  if (const Json* model = field_of(done.manifest, "model.name")) said.set("model", *model);
  if (const Json* version = field_of(done.manifest, "model.version")) said.set("version", *version);
  if (const Json* target = done.manifest.find("target")) said.set("target", *target);
  said.set("values", p.values);
  said.set("max_abs", p.abs);
  said.set("max_rel", p.rel);
  said.set("outside_tolerance", p.outside);
  said.set("decisions", p.decisions);
  said.set("decision_flips", p.flips);
  said.set("transforms", done.transforms);
  if (done.transforms_apart > 0) said.set("transforms_with_zones", done.transforms_apart);
  if (const Json* target = done.manifest.find("target"); target && *target == Json("web"))
    said.set("runtime", done.runtime);
  print_fields(call, said);
  return holds ? 0 : kExitGate;
}

}  // namespace

void add_export_commands(Commands& commands, const Connect& connect, Fs& fs) {
  commands.add(
      {"model export",
       "A version as a signed bundle for a device: model, transforms, golden rows.",
       {{"MODEL", "MODEL, MODEL/VERSION, MODEL@VERSION or MODEL@ALIAS [in production]"}},
       {{"target", "TARGET", "onnx, ort, web (a page that runs it) or cabi (C library).", true},
        {"out", "DIR", "Where to [MODEL-VERSION-TARGET]; must not be there."},
        {"from-traffic", "", "Golden inputs as they were logged, customers' data, not made ones."},
        {"runtime", "DIR", "web: dist/ of onnxruntime-web, whose files are copied in."}},
       [connect, &fs](Call& call) -> Result<int> {
         const std::unique_ptr<Remote> server = TRY(connect(call));
         return export_model(call, *server, fs);
       },
       "Models of trees become ONNX by our own writer; what ONNX can't say is refused by its "
       "name."});
  commands.add({"model verify",
                "Checks a bundle: signature, digests, and the golden rows with our own executors.",
                {{"BUNDLE", "its folder"}},
                {{"key", "PATH", "The server's public key (PEM) [asked of the server]."}},
                [connect, &fs](Call& call) { return verify(call, connect, fs); },
                "Exits with 6 when an answer is outside of the tolerances or a decision differs, "
                "with 8 when a file isn't the one that was signed."});
}

}  // namespace slip::cli
