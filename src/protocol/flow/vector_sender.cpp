#include "protocol/flow/vector_sender.h"

#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>

#include "protocol/flow/failure.h"
#include "protocol/linear/result_mask.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "protocol/steps.h"

namespace flash::protocol {

namespace {
// Messages made in parallel before they are sent in order.
constexpr std::size_t kBatch = 8;
}  // namespace

VectorSender::VectorSender(const PreparedModel& model, transport::Channel& channel, const StreamKey& masks,
                           ActivationServer& activation, Profile* profile)
    : model_(model),
      channel_(channel),
      masks_(masks),
      activation_(activation),
      profile_(profile),
      message_bytes_(transport::kFrameHeaderBytes + model.activation().sizes().vectors),
      thread_(channel, internal_error(Party::kServer), kAheadBytes, [this](AheadWindow& window) { run(window); }) {}

void VectorSender::answered(int layer, std::size_t chunk) {
    if (model_.activation().last_use_of_vectors(layer, chunk)) thread_.window().release(message_bytes_);
    if (chunk + 1 == model_.activation().chunks(layer)) thread_.window().open_stage();
}

void VectorSender::run(AheadWindow& window) {
    // What the client is waiting for comes first: cores help here only when they have nothing else to do.
    tbb::task_arena arena(tbb::task_arena::automatic, 1, tbb::task_arena::priority::low);
    arena.execute([&] {
        Shares shares;
        std::size_t stage = 0;
        for (int l = 0; l < model_.activation().layers(); ++l) {
            if (model_.activation().chunks(l) == 0) continue;
            add_shares(shares, l);
            if (!run_layer(l, stage++, shares, window)) return;
            shares.erase(shares.begin(), shares.upper_bound(l));
        }
    });
}

void VectorSender::add_shares(Shares& shares, int layer) const {
    // Also of later layers that have values in the last vectors of this one.
    const Activation& activation = model_.activation();
    const std::size_t end = activation.vectors_end(layer);
    for (int l = layer; l < activation.layers(); ++l) {
        if (activation.chunks(l) == 0 || shares.contains(l)) continue;
        if (l > layer && activation.first_vectors(l) >= end) break;
        shares.emplace(l, server_shares_ahead(masks_, model_.architecture(), model_.plan(), l));
    }
}

bool VectorSender::run_layer(int layer, std::size_t stage, const Shares& shares, AheadWindow& window) {
    const auto shares_of = [&](int l) { return std::span<const std::uint32_t>(shares.at(l)); };
    const std::size_t first = model_.activation().vectors_end(layer - 1),
                      count = model_.activation().vectors_end(layer) - first;
    for (std::size_t begin = 0; begin < count; begin += kBatch) {
        const std::size_t end = std::min(begin + kBatch, count);
        std::vector<transport::Message> messages(end - begin);
        tbb::parallel_for(begin, end, [&](std::size_t index) {
            ProfileSpan span(profile_, layer, step::kServerVectors);
            messages[index - begin] =
                make_message(message_type::kServerVectors, static_cast<std::uint32_t>(layer),
                             static_cast<std::uint32_t>(index), activation_.make_vectors(first + index, shares_of));
        });
        // A guarded server has them ready, and keeps them.
        if (model_.activation().guarded() && !window.wait_for_stage(stage)) return false;
        ProfileSpan span(profile_, layer, step::kSend);
        for (transport::Message& message : messages) {
            if (!window.acquire(message_bytes_)) return false;
            span.sent(message_bytes_);
            channel_.send(std::move(message));
        }
    }
    return true;
}

}  // namespace flash::protocol
