// How the server's work alone spreads over cores: one recorded inference, replayed on 1, 2, 4 ... cores.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "comparison/samples.h"
#include "protocol/prepared_model.h"

namespace flash::comparison {

struct ScalingPoint {
    int threads = 0;
    Samples seconds;
    Samples cpu_seconds;  ///< of all threads together
};

/// Threads 1, 2, 4 ... up to `most`; each point runs on as many cores as it has threads, to which the whole process is
/// bound meanwhile. The points take turns. Error(kInternal) if a replay does not say what the recorded server said.
std::vector<ScalingPoint> measure_scaling(const protocol::PreparedModel& model, std::span<const std::int32_t> input,
                                          int most, int runs);

nlohmann::json to_json(const std::vector<ScalingPoint>& points);

}  // namespace flash::comparison
