// Which shape of slots the activations of a network take: every one that the composite scheme offers, with what a whole
// inference then costs. The shape is fixed when a network is compiled, as the weights are made for its moduli.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/architecture.h"
#include "planner/rates.h"
#include "planner/time_model.h"

namespace flash::planner {

/// Machines and the link between them.
struct Timing {
    Rates rates;  ///< of both parties' machines
    Setting setting;
};

struct TimedSlots {
    model::SlotChoice slots;
    std::uint64_t bytes = 0;  ///< of one inference, both ways
    double seconds = 0;       ///< 0 without a timing
    double log2_wrong = 0;    ///< Activation::log2_wrong_inference
    double bytes_per_value() const { return static_cast<double>(bytes) / static_cast<double>(values); }
    std::int64_t values = 0;  ///< activation values
};

/// Whether there are moduli of the architecture's widths for its slots, and an activation inside the security table
/// that is right often enough.
bool can_serve(const model::Architecture& architecture);

/// The architecture as it is. None unless can_serve().
std::optional<TimedSlots> weigh_slots(const model::Architecture& architecture, const Timing* timing);

/// By less time, or by fewer bytes without a timing.
bool is_better(const TimedSlots& a, const TimedSlots& b);

/// All shapes (scheme::kCompositeShapes) that can serve the architecture with moduli of its widths, the best first.
/// timing: null where bytes alone decide.
std::vector<TimedSlots> rank_slots(const model::Architecture& architecture, const Timing* timing);

}  // namespace flash::planner
