// Prepares the client's answers ahead of need: what of them needs nothing but the server's set-up.
#pragma once

#include <exception>
#include <memory>

#include "base/profile.h"
#include "protocol/activation/activation.h"
#include "protocol/flow/prepared_items.h"

namespace flash::protocol {

class AnswerPreparer {
public:
    /// Starts the thread, unless work is done in steps. client: of this activation, and begun. All references must
    /// outlive this object.
    AnswerPreparer(const Activation& activation, const ActivationClient& client, transport::Channel& channel,
                   Profile* profile, Ahead ahead = Ahead::kThreads);

    /// The prepared answer to a chunk. As PreparedItems::take(): a second answer from the same streams would reveal the
    /// difference of two answers.
    std::unique_ptr<PreparedAnswer> take(int layer, std::size_t chunk) {
        return items_.take(static_cast<std::size_t>(layer), chunk);
    }

    /// What stopped the thread, if anything did.
    std::exception_ptr failure() { return items_.failure(); }

    /// Without a thread: prepares the next answer, if there is one and room for it.
    bool step() { return items_.step(); }

private:
    PreparedItems<std::unique_ptr<PreparedAnswer>> items_;
};

}  // namespace flash::protocol
