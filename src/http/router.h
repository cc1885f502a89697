#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "http/route.h"

// Finds the row of a path. A segment of a row is fixed text, "{name}", fixed text around one
// "{name}" ("{model}:predict"), or, last, "{name...}" (the rest, slashes included, may be empty).
// Fixed beats mixed (longest fixed part first) beats parameter beats rest; a path whose best row
// lacks the method falls through to the next row that has it. HEAD is GET. Immutable after make;
// any thread.
namespace slip::http {

inline constexpr size_t kMethodCount = 6;

class Router {
 public:
  // Refuses, naming every offender: two rows of one method and shape, a row without permission,
  // audit class or summary, with no handler or two. kInvalid `routes.invalid`.
  static Result<Router> make(std::vector<Route> rows);

  struct Match {
    const Route* route = nullptr;
    uint8_t methods = 0;  // Bit per Method that the path has, for Allow; 0: no such path.
  };
  // Fills `params` (names live as long as the router). Errors of split_path and decode_segment.
  Result<Match> find(Method method, std::string_view path,
                     std::vector<std::pair<std::string_view, std::string>>* params) const;

  const std::vector<Route>& rows() const { return *rows_; }
  static std::string allow(uint8_t methods);  // "GET, HEAD, POST"

 private:
  struct Ends {  // Which row answers which method here.
    std::array<int32_t, kMethodCount> row{-1, -1, -1, -1, -1, -1};
    uint8_t methods() const;
    int32_t pick(Method method) const;
  };
  struct Node;
  struct Mixed {
    std::string before;
    std::string after;
    std::unique_ptr<Node> child;
  };
  struct Node {
    std::map<std::string, std::unique_ptr<Node>, std::less<>> fixed;
    std::vector<Mixed> mixed;
    std::unique_ptr<Node> param;
    Ends ends;
    Ends rest;
  };
  struct Search;

  Router() = default;
  Status add(size_t index, std::string* problems);
  static Node* step(Node* node, std::string_view segment);
  static bool walk(const Node& node, size_t at, Search* search);
  static bool settle(const Ends& ends, Search* search);

  std::unique_ptr<std::vector<Route>> rows_;
  std::vector<std::vector<std::string>> names_;  // Parameters of each row, in order.
  std::unique_ptr<Node> root_;
  std::unordered_map<std::string_view, const Ends*> plain_;  // Paths without parameters.
};

}  // namespace slip::http
