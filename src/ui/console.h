#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "ui/pack.h"

// What a browser gets: files of the pack by path, and the page for every address of the console.
//
// The page is rendered once, with the <base href> below which the server is reached and the
// configuration that the console starts from; deep links (/p/…) get the same page.
// Invariant: every strong ETag names one exact sequence of bytes, so each coding has its own.
// Immutable; any thread; `find` neither blocks nor copies file contents.
namespace slip::ui {

struct Settings {
  std::string base_href = "/";     // Ends with a slash: "/", "/team-a/slipway/".
  std::string config_json = "{}";  // What <meta name="slipway-config"> holds.
};

struct Asset {
  int status = 404;  // 200, 304 or 404.
  std::string_view content_type;
  std::string_view body;  // Into the pack or the page; lives as long as the Console. Empty on 304.
  std::vector<std::pair<std::string, std::string>> headers;  // All but Content-Type and length.
};

class Console {
 public:
  // kCorrupt and kUnsupported as Pack::open; kCorrupt `ui.page_missing` when a pack of files has no
  // index.html. An empty pack gives a console that says that this build has none.
  static Result<Console> open(std::string_view pack_bytes, const Settings& settings);

  // `path` without query and first slash, percent-decoded. "", "index.html" and what begins with
  // "p/" are the page. `if_none_match` and `accept_encoding` are header values, "" when absent.
  Asset find(std::string_view path, std::string_view accept_encoding,
             std::string_view if_none_match) const;

  bool api_only() const { return pack_.entries().empty(); }

 private:
  Pack pack_;
  std::string page_;
  std::string page_etag_;
};

// The best coding that the client takes and the entry has: br, then gzip, then identity (also when
// the client refuses everything: an answer it may drop is better than none).
Coding choose_coding(const Entry& entry, std::string_view accept_encoding);

// RFC 9110 13.1.2, weak comparison: "*" or a list of tags, one of which is `etag`.
bool etag_matches(std::string_view if_none_match, std::string_view etag);

// `page` with <base> and <meta> in place of the mark `<!-- slipway:head -->`.
Result<std::string> render_page(std::string_view page, const Settings& settings);

}  // namespace slip::ui
