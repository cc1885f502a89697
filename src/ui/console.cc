#include "ui/console.h"

#include <array>
#include <optional>
#include <utility>

#include "base/text.h"
#include "codec/hash.h"

namespace slip::ui {
namespace {

constexpr std::string_view kPagePath = "index.html";
constexpr std::string_view kDeepLinks = "p/";
constexpr std::string_view kHeadMark = "<!-- slipway:head -->";
constexpr std::string_view kIconPath = "assets/favicon.svg";

// No inline code or style, nothing from anywhere else; base-uri because the page has a <base>.
constexpr std::string_view kPolicy =
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'";
constexpr std::string_view kForever = "public, max-age=31536000, immutable";
constexpr std::string_view kAskFirst = "no-cache";

// What a server without a pack shows; the mark is replaced as in the real page.
constexpr std::string_view kApiOnlyPage =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><!-- slipway:head -->"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
    "<meta name=\"color-scheme\" content=\"light dark\"><title>Slipway</title></head><body>"
    "<h1>Slipway is running</h1><p>This build has no console, because no node 20.19 or newer was "
    "found when it was made. The API, the command line and <a href=\"openapi.json\">its "
    "description</a> are whole.</p></body></html>\n";

std::string etag_of(std::string_view digest) { return "\"" + to_hex(digest.substr(0, 16)) + "\""; }

// One element of Accept-Encoding: "gzip;q=0.5" → {"gzip", 0.5}; an unreadable q refuses.
std::pair<std::string, double> coding_weight(std::string_view element) {
  const size_t semicolon = element.find(';');
  const std::string name = lower(trim(element.substr(0, semicolon)));
  if (semicolon == std::string_view::npos) return {name, 1.0};
  const std::string rest = lower(trim(element.substr(semicolon + 1)));
  if (!rest.starts_with("q=")) return {name, 1.0};
  return {name, parse_double(std::string_view(rest).substr(2)).value_or(0.0)};
}

void common_headers(Asset& asset, std::string_view etag, std::string_view cache) {
  asset.headers.emplace_back("ETag", etag);
  asset.headers.emplace_back("Cache-Control", cache);
}

}  // namespace

Coding choose_coding(const Entry& entry, std::string_view accept_encoding) {
  std::array<std::optional<double>, kCodings> weight;
  std::optional<double> others;
  for (const std::string_view element : split(accept_encoding, ',')) {
    const auto [name, q] = coding_weight(element);
    if (name == "br") weight[static_cast<size_t>(Coding::kBrotli)] = q;
    if (name == "gzip" || name == "x-gzip") weight[static_cast<size_t>(Coding::kGzip)] = q;
    if (name == "*") others = q;
  }
  for (const Coding coding : {Coding::kBrotli, Coding::kGzip}) {
    const double q = weight[static_cast<size_t>(coding)].value_or(others.value_or(0.0));
    if (entry.form(coding).present() && q > 0.0) return coding;
  }
  return Coding::kIdentity;
}

bool etag_matches(std::string_view if_none_match, std::string_view etag) {
  for (std::string_view tag : split(if_none_match, ',')) {
    tag = trim(tag);
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == "*" || (!tag.empty() && tag == etag)) return true;
  }
  return false;
}

Result<std::string> render_page(std::string_view page, const Settings& settings) {
  const size_t at = page.find(kHeadMark);
  if (at == std::string_view::npos) {
    return corrupt("ui.page_mark", "the console's page has no place for its settings");
  }
  return concat({page.substr(0, at), "<base href=\"", escape_html(settings.base_href),
                 "\" /><meta name=\"slipway-config\" content=\"", escape_html(settings.config_json),
                 "\" />", page.substr(at + kHeadMark.size())});
}

Result<Console> Console::open(std::string_view pack_bytes, const Settings& settings) {
  Console console;
  console.pack_ = TRY(Pack::open(pack_bytes));
  std::string_view page = kApiOnlyPage;
  if (!console.api_only()) {
    const Entry* entry = console.pack_.find(kPagePath);
    if (entry == nullptr) return corrupt("ui.page_missing", "the console pack has no index.html");
    page = entry->form(Coding::kIdentity).bytes;
  }
  console.page_ = TRY(render_page(page, settings));
  const codec::Sha256 digest = codec::sha256(console.page_);
  console.page_etag_ = "\"" + digest.hex().substr(0, 32) + "\"";
  return console;
}

Asset Console::find(std::string_view path, std::string_view accept_encoding,
                    std::string_view if_none_match) const {
  Asset asset;
  if (path.empty() || path == kPagePath || path.starts_with(kDeepLinks)) {
    common_headers(asset, page_etag_, kAskFirst);
    asset.headers.emplace_back("Content-Security-Policy", kPolicy);
    asset.headers.emplace_back("Referrer-Policy", "same-origin");
    asset.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
    asset.content_type = "text/html; charset=utf-8";
    asset.status = etag_matches(if_none_match, page_etag_) ? 304 : 200;
    if (asset.status == 200) asset.body = page_;
    return asset;
  }
  const Entry* entry = pack_.find(path == "favicon.ico" ? kIconPath : path);
  if (entry == nullptr) return asset;
  const Coding coding = choose_coding(*entry, accept_encoding);
  const Form& form = entry->form(coding);
  const std::string etag = etag_of(form.digest);
  common_headers(asset, etag, entry->immutable ? kForever : kAskFirst);
  asset.headers.emplace_back("Vary", "Accept-Encoding");
  asset.content_type = entry->mime;
  asset.status = etag_matches(if_none_match, etag) ? 304 : 200;
  if (asset.status == 304) return asset;
  if (coding == Coding::kBrotli) asset.headers.emplace_back("Content-Encoding", "br");
  if (coding == Coding::kGzip) asset.headers.emplace_back("Content-Encoding", "gzip");
  asset.body = form.bytes;
  return asset;
}

}  // namespace slip::ui
