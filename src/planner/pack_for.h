// A model's plan in time where its parties are, and its packing for that place.
#pragma once

#include <vector>

#include "model/model.h"
#include "planner/choose.h"
#include "planner/choose_slots.h"
#include "planner/rates.h"
#include "planner/time_model.h"
#include "planner/work.h"

namespace flash::planner {

/// A model's plan in time, and what else it could be.
struct TimedPlan {
    Setting setting;
    Rates rates;
    std::vector<LayerWork> work;
    Prediction prediction;
    std::vector<GroupChoice> choices;
    std::vector<TimedSlots> slots;  ///< the best first; the model's own are among them
};

/// rates: of the machines of both parties.
TimedPlan time_plan(const model::Model& model, const Rates& rates, const Setting& setting);
/// The same between machines like this one, whose rates it measures.
TimedPlan time_plan(const model::Model& model, const Setting& setting);

/// Packs a model's layers as the alternatives say that come first, with the upload bits that these need; the weights
/// stay as they are. Error(kRange) naming a layer whose noise fits in no packing: the model came from elsewhere, and
/// would compute wrong values.
void repack(const std::vector<GroupChoice>& choices, model::Model& model);

/// Packs a model's layers so that an inference takes the least time. Errors as repack.
void pack_for(const Timing& timing, model::Model& model);

}  // namespace flash::planner
