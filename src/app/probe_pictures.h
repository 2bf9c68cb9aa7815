// Pictures unlike photographs, which calibration never saw: do the model's values stay in their ranges on them?
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/model.h"

namespace flash::app {

struct ProbeOutcome {
    std::string picture;  ///< "checkerboard", ...
    std::int64_t overflows =
        0;  ///< values of the clear-text twin that leave their range; with one, the answer is wrong
};

/// Constant pictures, checkerboards, noise, a gradient and something like a logo, through the model's preprocessing and
/// its clear-text twin. Nothing for a model that takes no pictures.
std::vector<ProbeOutcome> probe(const model::Model& model);

}  // namespace flash::app
