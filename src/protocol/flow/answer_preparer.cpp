#include "protocol/flow/answer_preparer.h"

#include "protocol/flow/failure.h"
#include "protocol/messages.h"
#include "protocol/steps.h"

namespace flash::protocol {

namespace {

std::vector<std::size_t> chunks_of(const Activation& activation) {
    std::vector<std::size_t> chunks;
    chunks.reserve(static_cast<std::size_t>(activation.layers()));
    for (int l = 0; l < activation.layers(); ++l) chunks.push_back(activation.chunks(l));
    return chunks;
}

}  // namespace

AnswerPreparer::AnswerPreparer(const Activation& activation, const ActivationClient& client,
                               transport::Channel& channel, Profile* profile, Ahead ahead)
    : items_(
          channel, internal_error(Party::kClient), kPreparedBytes, chunks_of(activation),
          std::vector<std::size_t>(static_cast<std::size_t>(activation.layers()), activation.sizes().prepared),
          [&client, profile](std::size_t layer, std::size_t chunk) {
              ProfileSpan span(profile, static_cast<int>(layer), step::kPrepare);
              return client.prepare(static_cast<int>(layer), chunk);
          },
          ahead) {}

}  // namespace flash::protocol
