#include "tracking/local_files.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "sys/fs.h"
#include "tracking/location.h"

namespace slip::tracking {
namespace {

constexpr size_t kCopyBytes = 1 << 20;
constexpr int kDepthMax = 64;

class FileReader final : public store::BlobReader {
 public:
  FileReader(std::unique_ptr<File> file, int64_t size) : file_(std::move(file)), size_(size) {}
  int64_t size() const override { return size_; }
  Result<size_t> read_at(int64_t offset, std::span<char> out) override {
    return file_->read_at(offset, out);
  }

 private:
  std::unique_ptr<File> file_;
  int64_t size_;
};

// "a/./b//c" → "a/b/c"; empty optional for a path that climbs.
std::optional<std::string> clean(std::string_view path) {
  std::string out;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") return std::nullopt;
    out += concat({out.empty() ? "" : "/", part});
  }
  return out;
}

std::string joined(const std::string& a, const std::string& b) {
  return a.empty() ? b : b.empty() ? a : concat({a, "/", b});
}

}  // namespace

std::optional<std::string> local_dir(std::string_view location) {
  UriParts uri = split_uri(location);
  if (!uri.scheme.empty() && uri.scheme != "file") return std::nullopt;
  if (!uri.host.empty() && !iequals(uri.host, "localhost")) return std::nullopt;
  if (uri.scheme == "file") {
    auto decoded = percent_decode(uri.path, false);
    if (!decoded) return std::nullopt;
    uri.path = std::move(*decoded);
  }
  if (!uri.path.starts_with('/')) return std::nullopt;
  const auto path = clean(uri.path);
  if (!path) return std::nullopt;
  return "/" + *path;
}

std::optional<std::string> LocalFiles::relative(std::string_view uri) const {
  if (!fs_) return std::nullopt;
  const auto path = local_dir(uri);
  if (!path) return std::nullopt;
  if (*path == root_) return std::string();
  if (!path->starts_with(root_ + "/")) return std::nullopt;
  return path->substr(root_.size() + 1);
}

Result<std::unique_ptr<store::BlobReader>> LocalFiles::open(const std::string& path) const {
  std::unique_ptr<File> file = TRY(fs_->open_beneath(root_, path));
  const int64_t size = TRY(file->size());
  // A directory opens too, but does not read.
  char byte = 0;
  const Result<size_t> read = file->read_at(0, std::span(&byte, 1));
  if (!read.ok()) return not_found("fs.not_found", concat({"No file ", path}));
  return std::make_unique<FileReader>(std::move(file), size);
}

Result<std::vector<FileInfo>> LocalFiles::list(const std::string& path) const {
  const auto found = fs_->list_beneath(root_, path);
  std::vector<FileInfo> out;
  if (!found.ok() && found.error().code == Code::kNotFound) return out;
  TRY(found);
  for (const slip::FileInfo& f : *found)
    if (!f.name.ends_with(".draft"))
      out.push_back({.path = f.name, .is_dir = f.is_dir, .size = f.is_dir ? 0 : f.size});
  return out;
}

Status LocalFiles::write(const std::string& path, store::BlobReader& from) const {
  TRY(fs_->make_dirs(root_));
  return fs_->write_beneath(root_, path, [&](File& file) -> Status {
    std::string buffer(kCopyBytes, '\0');
    for (int64_t at = 0;;) {
      const size_t n = TRY(from.read_at(at, std::span(buffer.data(), buffer.size())));
      if (n == 0) return {};
      TRY(file.write_at(at, std::string_view(buffer).substr(0, n)));
      at += static_cast<int64_t>(n);
    }
  });
}

Status LocalFiles::remove(const std::string& path) const {
  const Status gone = fs_->remove_beneath(root_, path);
  if (!gone.ok() && gone.error().code == Code::kNotFound) return {};
  return gone;
}

Result<store::tree::Entry> LocalFiles::import_file(store::Blobs& blobs,
                                                   const std::string& path) const {
  const auto reader = TRY(open(path));
  const auto draft = TRY(blobs.create());
  std::string buffer(kCopyBytes, '\0');
  for (int64_t at = 0;;) {
    const size_t n = TRY(reader->read_at(at, std::span(buffer.data(), buffer.size())));
    if (n == 0) break;
    TRY(draft->write(std::string_view(buffer).substr(0, n)));
    at += static_cast<int64_t>(n);
  }
  const int64_t size = draft->size();
  const auto digest = TRY(draft->commit());
  return store::tree::Entry{.path = path, .digest = digest, .size = size, .meta = {}};
}

Result<std::vector<store::tree::Entry>> LocalFiles::import(
    store::Blobs& blobs, const std::string& path,
    const std::function<bool(const std::string&)>& wanted) const {
  std::vector<store::tree::Entry> out;
  std::vector<std::string> todo = {""};  // Directories below `path`.
  while (!todo.empty()) {
    const std::string dir = std::move(todo.back());
    todo.pop_back();
    if (std::count(dir.begin(), dir.end(), '/') > kDepthMax)
      return invalid("artifact.depth", "Directories are nested too deeply");
    for (const FileInfo& f : TRY(list(joined(path, dir)))) {
      const std::string below = joined(dir, f.path);
      if (f.is_dir) {
        todo.push_back(below);
      } else if (wanted(below)) {
        out.push_back(TRY(import_file(blobs, joined(path, below))));
        out.back().path = below;
      }
    }
  }
  return out;
}

}  // namespace slip::tracking
