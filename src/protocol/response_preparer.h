// Prepares the client's product responses ahead of need: re-randomisation, flooding and the mask of a chunk need
// nothing but the server's public key, so a thread of its own makes them while the link or a core is idle.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <vector>

#include "base/profile.h"
#include "base/random.h"
#include "protocol/ahead_thread.h"
#include "protocol/client_model.h"
#include "scheme/slots.h"

namespace flash::protocol {

class ResponsePreparer {
public:
    /// Starts the thread. All references must outlive this object.
    ResponsePreparer(const ClientModel& model, transport::Channel& channel, const SecretSeed& seed,
                     const scheme::SlotEvaluator& evaluator, Profile* profile);

    /// The prepared response of a chunk; if the thread has not come to it yet, it is made here and now.
    /// Error(kInternal) if it was taken before, or if the thread has failed.
    scheme::PreparedResponse take(int layer, std::size_t chunk);

private:
    void run(AheadWindow& window);
    scheme::PreparedResponse prepare(int layer, std::size_t chunk) const;

    const ClientModel& model_;
    const scheme::SlotEvaluator& evaluator_;
    Profile* profile_;
    const StreamKey shares_, responses_;
    const std::size_t item_bytes_;
    std::vector<std::size_t>
        first_;  // number of each layer's first chunk, counted through all layers; one more at the end
    std::mutex mutex_;
    std::condition_variable ready_;
    std::vector<bool> claimed_;  // by the thread or by take()
    std::vector<bool> taken_;
    std::map<std::size_t, scheme::PreparedResponse> made_;  // by the thread, not taken yet
    bool failed_ = false;
    AheadThread thread_;  // last: it uses the others
};

}  // namespace flash::protocol
