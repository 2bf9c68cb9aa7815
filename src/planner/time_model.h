// How long an inference takes: both parties' work, the link between them and the order in which the protocol goes
// through the layers.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "planner/rates.h"
#include "planner/work.h"
#include "transport/link.h"

namespace flash::planner {

/// Where the two parties are.
struct Setting {
    std::optional<transport::LinkModel> link;  ///< none: the loopback interface
    bool tls = true;                           ///< else connected in memory: both in one process
    int cores = 1;                             ///< that each party has, or both together
    bool shared_cores = false;                 ///< both parties on the same cores
};

struct LayerTime {
    double seconds = 0;  ///< from the answer to the layer before to this one's
    enum class Bound { kProcessor, kDown, kUp, kTurn } bound = Bound::kProcessor;  ///< what most of it waits for
};

struct Prediction {
    double start = 0;  ///< keys of both parties and the first exchange
    std::vector<LayerTime> layers;
    double seconds() const;
};

/// Layer by layer. Within a layer the client uploads, then the server multiplies; then responses, their decryption, the
/// client's answers and the end of the activation follow each other piece by piece, so that the slowest of them
/// decides, and the others count for one piece. What does not depend on the peer (the server's vectors, and what is
/// prepared of uploads and answers) is done ahead where a core and the link have time to spare, within the protocol's
/// windows, and in the layer itself otherwise.
Prediction predict(const std::vector<LayerWork>& work, const Rates& rates, const Setting& setting);

}  // namespace flash::planner
