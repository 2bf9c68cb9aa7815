// Prepares the client's answers ahead of need: what of them needs nothing but the server's set-up is made by a thread
// of its own while the link or a core is idle.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/profile.h"
#include "protocol/activation/activation.h"
#include "protocol/flow/ahead_thread.h"

namespace flash::protocol {

class AnswerPreparer {
public:
    /// Starts the thread. client: of this activation, and begun. All references must outlive this object.
    AnswerPreparer(const Activation& activation, const ActivationClient& client, transport::Channel& channel,
                   Profile* profile);

    /// The prepared answer to a chunk; if the thread has not come to it yet, it is made here and now. Error(kInternal)
    /// if it was taken before, or if the thread has failed.
    std::unique_ptr<PreparedAnswer> take(int layer, std::size_t chunk);

private:
    void run(AheadWindow& window);
    std::unique_ptr<PreparedAnswer> prepare(int layer, std::size_t chunk) const;

    const ActivationClient& client_;
    Profile* profile_;
    const std::size_t item_bytes_;
    /// Number of each layer's first chunk, counted through all layers; one more at the end.
    std::vector<std::size_t> first_;
    std::mutex mutex_;
    std::condition_variable ready_;
    std::vector<bool> claimed_;  // by the thread or by take()
    std::vector<bool> taken_;
    std::map<std::size_t, std::unique_ptr<PreparedAnswer>> made_;  // by the thread, not taken yet
    bool failed_ = false;
    AheadThread thread_;  // last: it uses the others
};

}  // namespace flash::protocol
