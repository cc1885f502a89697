#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bundle/golden.h"
#include "bundle/tar.h"
#include "core/sign/sign.h"

// What leaves the server for a device: a version's model in the form that the device runs, what its
// features are computed by, golden inputs and outputs, and a manifest that names every file by its
// digest. The manifest is signed (an in-toto statement about it in a DSSE envelope, with the
// server's key), so whoever knows the key knows the files.
//
//   manifest.json         what this is; its format is `slipway.bundle/1`
//   manifest.dsse.json    the signature; signing-key.pem: its public key
//   golden.json           tensors, exact to the bit
//   transforms.json       expressions of the feature service, when the model names one
//   model.onnx|ort|…      by target
//
// Of target web also index.html and run.mjs, which run it (onnxruntime-web's files go to ort/); of
// cabi also libslipway_rt.so and slipway_rt.h.
//
// Values; any thread.
namespace slip::bundle {

inline constexpr std::string_view kFormat = "slipway.bundle/1";
inline constexpr std::string_view kPredicateType = "urn:slipway:attestation:bundle:v1";
inline constexpr std::string_view kManifest = "manifest.json";
inline constexpr std::string_view kEnvelope = "manifest.dsse.json";
inline constexpr std::string_view kPublicKey = "signing-key.pem";

enum class Target : uint8_t { kOnnx, kOrt, kWeb, kCabi };
std::string_view target_name(Target target);
Result<Target> parse_target(std::string_view name);  // kInvalid `export.target`.

// The browser's runtime: its files aren't in the server (14 MB); they are copied in or put there,
// and are these or none.
inline constexpr std::string_view kWebPackage = "onnxruntime-web";
inline constexpr std::string_view kWebVersion = "1.30.0";
struct WebFile {
  std::string_view name;  // In the package's dist/; ort/NAME in a bundle.
  std::string_view sha256;
};
inline constexpr std::array<WebFile, 2> kWebFiles = {{
    {"ort.wasm.bundle.min.mjs", "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90"},
    {"ort-wasm-simd-threaded.wasm",
     "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2"},
}};

struct Source {
  Target target = Target::kOnnx;
  std::string project;
  std::string model;
  int64_t version = 0;
  std::string digest;                         // Of the version.
  std::string bytes;                          // Of its model.
  std::map<std::string, std::string> lookup;  // serving's parameters: feature_service, …
  codec::Json transforms;                     // Null: none.
  std::optional<double> threshold;            // Tag slipway.decision_threshold.
  std::string threshold_output;  // Tag slipway.decision_output; "": the first of reals.
  std::vector<std::vector<serving::Tensor>> logged;
  int64_t made_ms = 0;
  std::string tool;  // "slipway 0.1.0"
  std::string git;
  std::function<Result<std::string>()> library;                      // kCabi: libslipway_rt.so.
  std::function<Result<std::string>(std::string_view onnx)> to_ort;  // kOrt.
};
// Errors of the model's reader, of its executor, of model/onnx_write.h; kInvalid
// `export.threshold`.
Result<Files> make(const Source& source, const sign::Signer& signer);

struct Verified {
  codec::Json manifest;
  std::string keyid;
  Parity parity;
  int64_t rows = 0;
  int64_t transforms = 0;        // Compiled here, to the hash that the manifest's server had.
  int64_t transforms_apart = 0;  // Need rules of time zones.
  bool runtime = false;          // web: its runtime is there, and is the right one.
};
// Signature, digests, no file besides; then the golden inputs are answered by our own executors.
// kCorrupt `bundle.digest|bundle.file`, kInvalid `bundle.manifest|bundle.golden` and sign's.
// Whether answers agree is for the caller to read from `parity`.
Result<Verified> verify(const Files& files, const std::map<std::string, std::string>& keys);

std::string_view index_html();
std::string_view run_mjs();
std::string_view rt_header();

}  // namespace slip::bundle
