#include "monitor/watch.h"

#include <cmath>
#include <limits>

#include "base/text.h"

namespace slip::monitor {

using serving::DataType;
using serving::Tensor;

InputRef parse_input_ref(std::string_view name) {
  const size_t open = name.find('[');
  if (open != name.npos && name.ends_with(']')) {
    const std::optional<int64_t> index = parse_int(name.substr(open + 1, name.size() - open - 2));
    if (index && *index >= 0) return {std::string(name.substr(0, open)), *index};
  }
  return {std::string(name), 0};
}

RowView view_of(const serving::PredictionRecord& record, int64_t row) {
  const int64_t rows = record.rows();
  RowView view;
  bool has_label = false;
  bool has_score = false;
  int64_t best = 0;
  for (const Tensor& t : record.outputs) {
    const int64_t stride = stride_of(t, rows);
    if (stride < 1) continue;
    const int64_t first = row * stride;
    if (is_real(t.type)) {
      if (has_score) continue;
      has_score = true;
      view.score = -std::numeric_limits<double>::infinity();
      for (int64_t i = 0; i < stride; ++i) {
        const double value = t.number(first + i);
        if (!(value > view.score)) continue;
        view.score = value;
        best = i;
      }
      if (!std::isfinite(view.score)) view.score = std::nan("");
      if (!has_label && stride == 1) view.predicted = format_double(view.score);
      if (!has_label && stride > 1) view.predicted = std::to_string(best);
    } else if (!has_label) {
      has_label = true;
      view.predicted = t.type == DataType::kBytes
                           ? t.strings[static_cast<size_t>(first)]
                           : std::to_string(static_cast<int64_t>(t.number(first)));
    }
  }
  return view;
}

void count_row(const Profile& profile, const std::vector<InputSpec>& inputs,
               const serving::PredictionRecord& record, int64_t row, WindowCounts* counts) {
  const int64_t rows = record.rows();
  for (const InputSpec& spec : inputs) {
    const InputRef ref = parse_input_ref(spec.name);
    for (const Tensor& t : record.inputs) {
      const int64_t stride = stride_of(t, rows);
      if (t.name != ref.tensor || ref.index >= stride) continue;
      const int64_t at = row * stride + ref.index;
      if (t.type != DataType::kBytes && spec.kind == InputKind::kNumeric)
        profile.add_number(spec.name, t.number(at), counts);
      else if (t.type != DataType::kBytes)
        profile.add_text(spec.name, format_double(t.number(at)), counts);
      else
        profile.add_text(spec.name, t.strings[static_cast<size_t>(at)], counts);
    }
  }
}

}  // namespace slip::monitor
