#include "sys/shared_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

namespace slip {
namespace {

class Made {  // What a client would make.
 public:
  explicit Made(int64_t bytes)
      : name(concat({"slipway-test-", std::to_string(getpid()), "-", std::to_string(++made_)})) {
    fd_ = shm_open(("/" + name).c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
    EXPECT_GE(fd_, 0);
    EXPECT_EQ(ftruncate(fd_, bytes), 0);
  }
  Made(const Made&) = delete;
  Made& operator=(const Made&) = delete;
  ~Made() {
    close(fd_);
    shm_unlink(("/" + name).c_str());
  }
  void cut(int64_t bytes) { EXPECT_EQ(ftruncate(fd_, bytes), 0); }
  const std::string name;

 private:
  static inline int made_ = 0;
  int fd_ = -1;
};

TEST(SharedMemory, IsReadAndWrittenWithinItsSize) {
  Made made(16);
  const auto memory = open_shared_memory(made.name).value();
  EXPECT_EQ(memory->size().value(), 16);
  memory->write(12, "abcd").value();
  std::string got(4, '\0');
  memory->read(12, got).value();
  EXPECT_EQ(got, "abcd");
  EXPECT_EQ(memory->write(13, "abcd").error().reason, "shared_memory.io");
  EXPECT_EQ(memory->size().value(), 16);
}

TEST(SharedMemory, ThatIsCutShortIsAnError) {
  Made made(8192);
  const auto memory = open_shared_memory(made.name).value();
  made.cut(10);
  std::string got(4, '\0');
  EXPECT_EQ(memory->read(8, got).error().reason, "shared_memory.io");
  EXPECT_EQ(memory->write(4096, "x").error().reason, "shared_memory.io");
}

TEST(SharedMemory, NamesLeadNowhereElse) {
  for (const char* name : {"", ".", "..", "a/b", "/a", "../etc/passwd"})
    EXPECT_EQ(open_shared_memory(name).error().reason, "shared_memory.name") << name;
  EXPECT_EQ(open_shared_memory(std::string(300, 'a')).error().reason, "shared_memory.name");
  EXPECT_EQ(open_shared_memory("slipway-test-nobody").error().reason, "shared_memory.missing");
  Made made(8);
  const std::string link = "/dev/shm/" + made.name + "-link";
  ASSERT_EQ(symlink("/etc/passwd", link.c_str()), 0);
  EXPECT_EQ(open_shared_memory(made.name + "-link").error().reason, "shared_memory.denied");
  unlink(link.c_str());
  ASSERT_EQ(mkfifo(link.c_str(), 0600), 0);
  EXPECT_EQ(open_shared_memory(made.name + "-link").error().reason, "shared_memory.denied");
  unlink(link.c_str());
}

}  // namespace
}  // namespace slip
