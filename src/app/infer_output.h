// How `flash infer` shows answers: each as soon as it is there.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/profile.h"
#include "model/ranking.h"
#include "protocol/client_inference.h"
#include "transport/channel.h"

namespace flash::app {

struct InferCommand;

/// One answer, and what it cost.
struct Answer {
    std::string input;
    std::vector<model::RankedClass> ranked;
    protocol::ClientResult result;
    transport::Traffic traffic;
    double clamped = 0;      ///< share of the input's values that the model's range cut off
    std::string unreliable;  ///< why the answer must not be trusted; empty if nothing speaks against it
    std::shared_ptr<const Profile> profile;
};

nlohmann::json answer_json(const Answer& answer, bool with_profile);

/// Calls come in this order: begin, answers and failures as they come, end.
class InferOutput {
public:
    virtual ~InferOutput() = default;
    virtual void begin(const model::Architecture& architecture, const std::string& fingerprint) = 0;
    virtual void answer(const Answer& answer) = 0;
    virtual void failure(const std::string& input, const std::string& kind, const std::string& reason) = 0;
    virtual void end() = 0;
};

/// As the command asks: a table, a JSON document, or JSON lines. `names` are the inputs, as far as they are known.
std::unique_ptr<InferOutput> make_output(const InferCommand& command, const std::vector<std::string>& names);

}  // namespace flash::app
