#include "app/label_report.h"

#include <fmt/format.h>

#include <cmath>

namespace flash::app {

double LabelReport::certain_loss() const {
    if (images == 0) return 0;
    const double lost = static_cast<double>(exact) - static_cast<double>(quantised);
    return (lost - 2 * std::sqrt(static_cast<double>(differ))) / static_cast<double>(images);
}

bool labels_fit(const data::Dataset& set, const std::vector<std::string>& classes, std::size_t outputs) {
    return set.classes().size() == outputs && (classes.empty() || classes == set.classes());
}

LabelReport count_labels(const std::vector<compiler::Verdict>& verdicts,
                         const std::function<std::optional<int>(std::size_t)>& label) {
    LabelReport report;
    for (const compiler::Verdict& verdict : verdicts) {
        const std::optional<int> right = label(verdict.image);
        if (!right) continue;
        ++report.images;
        report.exact += verdict.exact == *right;
        report.quantised += verdict.quantised == *right;
        report.differ += verdict.exact != verdict.quantised;
    }
    return report;
}

std::string label_text(const LabelReport& report) {
    if (report.images == 0) return {};
    const auto percent = [&](std::size_t count) {
        return 100 * static_cast<double>(count) / static_cast<double>(report.images);
    };
    return fmt::format("of {} with labels the float model names {:.1f}% rightly, the integer model {:.1f}%\n",
                       report.images, percent(report.exact), percent(report.quantised));
}

nlohmann::json label_json(const LabelReport& report) {
    if (report.images == 0) return nullptr;
    return {{"images", report.images}, {"float_correct", report.exact}, {"correct", report.quantised}};
}

}  // namespace flash::app
