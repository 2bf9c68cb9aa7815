// The pictures that whole inferences are measured on, and what the clear-text twin says of them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/twin.h"

namespace flash::comparison {

struct Picture {
    std::string name;
    std::vector<float> pixels;        ///< CHW, as the network takes them
    std::vector<std::int32_t> input;  ///< the same as integers
    std::vector<float> logits;        ///< the twin's
    double logit_bound = 0;           ///< app::logit_bound
};

struct Pictures {
    std::string source;  ///< "6 of 10000 pictures ..."
    int skipped =
        0;  ///< those in between on which some value of the twin leaves its range: a private answer may be wrong there
    std::vector<Picture> all;
};

/// `count` pictures spread evenly over a data SPEC, or fewer if it holds fewer; with an empty SPEC random pixels,
/// halved in size until the twin finds every value in its range. Error(kRange) if the set has no picture on which that
/// is so.
Pictures choose_pictures(const std::string& data, int count, const model::Architecture& architecture,
                         const model::Twin& twin);

}  // namespace flash::comparison
