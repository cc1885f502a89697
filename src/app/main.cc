#include <cstdio>

int main() {
  std::puts("slipway 0.1.0");
  return 0;
}
