#pragma once

#include <array>
#include <cstdint>

// Deadlines of many connections at the price of storing an integer: moving one later touches
// nothing else, the wheel finds out when its slot comes round. Fires up to one tick late, never
// early. A node leaves the wheel when it is destroyed. One thread; time comes in as a parameter.
namespace slip::http {

class Wheel {
 public:
  static constexpr int64_t kTickMs = 256;
  static constexpr int64_t kNever = INT64_MAX;

  class Node {
   public:
    Node() = default;
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    ~Node() { unlink(); }
    int64_t at_ms() const { return at_; }

   private:
    friend class Wheel;
    void unlink() {
      if (!next_) return;
      prev_->next_ = next_;
      next_->prev_ = prev_;
      next_ = prev_ = nullptr;
    }
    Node* next_ = nullptr;  // Null: in no list.
    Node* prev_ = nullptr;
    int64_t at_ = kNever;
    int64_t tick_ = 0;  // Of the slot it is in.
  };

  explicit Wheel(int64_t now_ms) : tick_(now_ms / kTickMs) {
    for (Node& head : slots_) head.next_ = head.prev_ = &head;
  }
  ~Wheel() {
    for (Node& head : slots_) {
      while (head.next_ != &head) head.next_->unlink();
      head.next_ = nullptr;
    }
  }
  Wheel(const Wheel&) = delete;
  Wheel& operator=(const Wheel&) = delete;

  // Replaces the node's deadline; kNever disarms it.
  void arm(Node& node, int64_t at_ms) {
    node.at_ = at_ms;
    if (at_ms == kNever) return;  // Found and dropped when its slot comes.
    const int64_t due = at_ms / kTickMs + 1;
    if (node.next_ && node.tick_ <= due) return;
    node.unlink();
    const int64_t last = tick_ + static_cast<int64_t>(slots_.size()) - 1;
    node.tick_ = due < tick_ + 1 ? tick_ + 1 : due < last ? due : last;
    push(slots_[static_cast<size_t>(node.tick_) % slots_.size()], node);
  }

  // Calls on_due(node) for each node whose deadline has passed; the node is unarmed by then, and
  // on_due may arm or destroy any node.
  template <class F>
  void advance(int64_t now_ms, F&& on_due) {
    const int64_t now = now_ms / kTickMs;
    const int64_t steps = now - tick_ < static_cast<int64_t>(slots_.size())
                              ? now - tick_
                              : static_cast<int64_t>(slots_.size());
    const int64_t from = tick_;
    if (now > tick_) tick_ = now;
    for (int64_t i = 1; i <= steps; ++i) {
      Node list;
      take(slots_[static_cast<size_t>(from + i) % slots_.size()], list);
      while (list.next_ != &list) {
        Node& node = *list.next_;
        node.unlink();
        if (node.at_ == kNever) continue;
        if (node.at_ > now_ms) {
          arm(node, node.at_);
          continue;
        }
        node.at_ = kNever;
        on_due(node);
      }
      list.next_ = nullptr;
    }
  }

 private:
  static void push(Node& head, Node& node) {
    node.prev_ = head.prev_;
    node.next_ = &head;
    head.prev_->next_ = &node;
    head.prev_ = &node;
  }
  static void take(Node& from, Node& to) {
    to.next_ = to.prev_ = &to;
    if (from.next_ == &from) return;
    to.next_ = from.next_;
    to.prev_ = from.prev_;
    to.next_->prev_ = to.prev_->next_ = &to;
    from.next_ = from.prev_ = &from;
  }

  std::array<Node, 512> slots_;
  int64_t tick_;
};

}  // namespace slip::http
