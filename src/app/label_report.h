// The accuracy of a network on the check images of its calibration, where these have labels of its own classes.
#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "compiler/compile_report.h"
#include "data/dataset.h"

namespace flash::app {

struct LabelReport {
    std::size_t images = 0;  ///< with a label; the rest is of these
    std::size_t exact = 0;   ///< that the float network names rightly
    std::size_t quantised = 0;
    std::size_t differ = 0;  ///< on which the two name different classes

    /// Accuracy lost beyond two standard deviations of what the images on which they differ could do by chance.
    double certain_loss() const;
};

/// Whether the labels of a set are classes of a network with these names (none: unknown) and so many outputs.
bool labels_fit(const data::Dataset& set, const std::vector<std::string>& classes, std::size_t outputs);

/// label: of an image as it was given to the compiler.
LabelReport count_labels(const std::vector<compiler::Verdict>& verdicts,
                         const std::function<std::optional<int>(std::size_t)>& label);

/// A line for people, empty without labels; and null then.
std::string label_text(const LabelReport& report);
nlohmann::json label_json(const LabelReport& report);

}  // namespace flash::app
