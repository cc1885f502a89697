#include "engine/expr/zone.h"

#include <algorithm>

#include "base/text.h"
#include "engine/expr/civil.h"

namespace slip::engine::expr {
namespace {

constexpr size_t kHeaderBytes = 44;
constexpr size_t kFileBytesMax = 1 << 20;

Error bad_file() {
  return corrupt("zone.file", "these bytes are no TZif file of version 2 or later");
}

int64_t big_endian(std::string_view bytes, size_t at, size_t width) {
  uint64_t out = static_cast<uint8_t>(bytes[at]) & 0x80U ? ~uint64_t{0} : 0;
  for (size_t i = 0; i < width; ++i) out = out << 8 | static_cast<uint8_t>(bytes[at + i]);
  return static_cast<int64_t>(out);
}

struct Header {
  size_t utc = 0;
  size_t standard = 0;
  size_t leap = 0;
  size_t times = 0;
  size_t types = 0;
  size_t chars = 0;
  size_t body(size_t width) const {
    return times * width + times + types * 6 + chars + leap * (width + 4) + standard + utc;
  }
};

Result<Header> read_header(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || !bytes.starts_with("TZif") || bytes[4] < '2')
    return bad_file();
  size_t v[6];
  for (size_t i = 0; i < 6; ++i) {
    const int64_t count = big_endian(bytes, 20 + 4 * i, 4);
    if (count < 0 || count > static_cast<int64_t>(kFileBytesMax)) return bad_file();
    v[i] = static_cast<size_t>(count);
  }
  return Header{v[0], v[1], v[2], v[3], v[4], v[5]};
}

}  // namespace

// POSIX TZ text of a TZif footer, with the extensions of RFC 9636 3.3.1.
class FooterReader {
 public:
  explicit FooterReader(std::string_view text) : text_(text) {}

  bool read(Zone::Footer* out) {
    int32_t west = 0;
    if (!name() || !clock(&west)) return false;
    out->present = true;
    out->standard_s = -west;
    if (at_ == text_.size()) return true;
    if (!name()) return false;
    out->summer = true;
    out->summer_s = out->standard_s + 3600;
    if (!here(',')) {
      if (!clock(&west)) return false;
      out->summer_s = -west;
    }
    return rule(&out->start) && rule(&out->end) && at_ == text_.size();
  }

 private:
  bool here(char c) const { return at_ < text_.size() && text_[at_] == c; }
  bool take(char c) {
    if (!here(c)) return false;
    ++at_;
    return true;
  }
  bool name() {
    const size_t start = at_;
    if (take('<')) {
      while (at_ < text_.size() && text_[at_] != '>') ++at_;
      return take('>');
    }
    while (at_ < text_.size() && ((text_[at_] | 32) >= 'a' && (text_[at_] | 32) <= 'z')) ++at_;
    return at_ - start >= 3;
  }
  bool number(int* out, int hi) {
    const size_t start = at_;
    *out = 0;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && at_ - start < 4)
      *out = *out * 10 + (text_[at_++] - '0');
    return at_ > start && *out <= hi;
  }
  bool clock(int32_t* out) {
    const bool minus = take('-');
    if (!minus) (void)take('+');
    int h = 0;
    int m = 0;
    int s = 0;
    if (!number(&h, 167)) return false;
    if (take(':') && !number(&m, 59)) return false;
    if (take(':') && !number(&s, 59)) return false;
    *out = (h * 3600 + m * 60 + s) * (minus ? -1 : 1);
    return true;
  }
  bool rule(Zone::Change* out) {
    if (!take(',')) return false;
    if (take('M')) {
      out->kind = Zone::Change::Kind::kMonth;
      if (!number(&out->month, 12) || out->month == 0 || !take('.') || !number(&out->week, 5) ||
          out->week == 0 || !take('.') || !number(&out->day, 6))
        return false;
    } else {
      out->kind = take('J') ? Zone::Change::Kind::kJulian : Zone::Change::Kind::kDay;
      if (!number(&out->day, 365)) return false;
    }
    return take('/') ? clock(&out->time_s) : true;
  }

  std::string_view text_;
  size_t at_ = 0;
};

Zone Zone::fixed(int32_t offset_s) {
  Zone out;
  out.first_s_ = offset_s;
  return out;
}

Result<Zone> Zone::from_tzif(std::string_view bytes) {
  if (bytes.size() > kFileBytesMax) return bad_file();
  const Header old = TRY(read_header(bytes));
  if (bytes.size() < kHeaderBytes + old.body(4)) return bad_file();
  bytes.remove_prefix(kHeaderBytes + old.body(4));
  const Header h = TRY(read_header(bytes));
  bytes.remove_prefix(kHeaderBytes);
  if (h.types == 0 || h.leap != 0 || bytes.size() < h.body(8)) return bad_file();
  const size_t kinds = h.times * 8;
  const size_t types = kinds + h.times;
  const auto offset = [&](size_t type) {
    return static_cast<int32_t>(big_endian(bytes, types + type * 6, 4));
  };
  Zone out;
  out.first_s_ = offset(0);
  for (size_t i = 0; i < h.times; ++i) {
    const auto type = static_cast<uint8_t>(bytes[kinds + i]);
    const int64_t at = big_endian(bytes, i * 8, 8);
    if (type >= h.types || (i && at <= out.at_s_.back())) return bad_file();
    if (std::abs(offset(type)) > 26 * 3600) return bad_file();
    out.at_s_.push_back(at);
    out.offset_s_.push_back(offset(type));
  }
  if (std::abs(out.first_s_) > 26 * 3600) return bad_file();
  std::string_view footer = bytes.substr(h.body(8));
  if (footer.size() < 2 || footer.front() != '\n' || footer.back() != '\n') return bad_file();
  footer = footer.substr(1, footer.size() - 2);
  if (!footer.empty() && !FooterReader(footer).read(&out.footer_)) return bad_file();
  return out;
}

int64_t Zone::change_local_s(const Change& change, int64_t year) {
  int64_t days = 0;
  if (change.kind == Change::Kind::kMonth) {
    days = days_from_civil({year, change.month, 1});
    const int64_t weekday = ((days + 4) % 7 + 7) % 7;
    int64_t day = (change.day - weekday + 7) % 7 + 7 * (change.week - 1);
    while (day >= days_in_month(year, change.month)) day -= 7;
    days += day;
  } else {
    days = days_from_civil({year, 1, 1}) + change.day;
    const bool leap = days_in_month(year, 2) == 29;
    if (change.kind == Change::Kind::kJulian && !(leap && change.day >= 60)) --days;
  }
  return days * 86400 + change.time_s;
}

int32_t Zone::by_footer(int64_t utc_s) const {
  if (!footer_.summer) return footer_.standard_s;
  const int64_t year = civil_from_days(floor_div(utc_s + footer_.standard_s, 86400)).year;
  const int64_t start = change_local_s(footer_.start, year) - footer_.standard_s;
  const int64_t end = change_local_s(footer_.end, year) - footer_.summer_s;
  const bool summer = start < end ? utc_s >= start && utc_s < end : utc_s >= start || utc_s < end;
  return summer ? footer_.summer_s : footer_.standard_s;
}

int32_t Zone::offset_at(int64_t utc_s) const {
  const auto after = std::upper_bound(at_s_.begin(), at_s_.end(), utc_s);
  if (after == at_s_.end() && footer_.present) return by_footer(utc_s);
  if (after == at_s_.begin()) return first_s_;
  return offset_s_[static_cast<size_t>(after - at_s_.begin()) - 1];
}

int64_t Zone::to_utc(int64_t local_s) const {
  // No zone changes twice within two days: the offsets a day before and after are all there is.
  const int32_t before = offset_at(local_s - 86400);
  const int32_t after = offset_at(local_s + 86400);
  if (offset_at(local_s - before) == before) return local_s - before;
  if (offset_at(local_s - after) == after) return local_s - after;
  return local_s - before;
}

Result<std::shared_ptr<const Zone>> find_zone(std::string_view name, const ZoneSource* source) {
  if (iequals(name, "UTC") || name == "Z" || name == "Etc/UTC")
    return std::make_shared<const Zone>(Zone::fixed(0));
  if (name.starts_with('+') || name.starts_with('-')) {
    const auto shifted = parse_stamp(concat({"2000-01-01T00:00:00", name}));
    if (shifted) {
      const int64_t utc = 946684800 * kSecondUs;
      return std::make_shared<const Zone>(
          Zone::fixed(static_cast<int32_t>((utc - *shifted) / kSecondUs)));
    }
  }
  const Error unknown = invalid("expr.zone", concat({"there is no time zone '", name, "'"}))
                            .with_hint("UTC, +01:00, or a name of the zone database");
  if (!source || !source->bytes) return unknown;
  auto bytes = source->bytes(name);
  if (!bytes.ok()) return bytes.error().code == Code::kNotFound ? unknown : bytes.error();
  return std::make_shared<const Zone>(TRY(Zone::from_tzif(*bytes)));
}

}  // namespace slip::engine::expr
