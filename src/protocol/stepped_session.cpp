#include "protocol/stepped_session.h"

#include <utility>

#include "base/error.h"
#include "base/wipe_at_end.h"
#include "model/arithmetic.h"
#include "protocol/flow/failure.h"
#include "protocol/message_types.h"

namespace flash::protocol {

SteppedSession::SteppedSession(ClientSessionOptions options) : options_(std::move(options)) {
    begin_handshake(channel_, options_);
}

SteppedSession::~SteppedSession() = default;

void SteppedSession::begin(std::span<const float> picture) {
    require(state_ == State::kReady, ErrorKind::kInternal, "an inference was begun before the last one had ended");
    std::vector<std::int32_t> input = model::quantise_input(model_.architecture, picture);
    const WipeAtEnd wiped(input);
    inference_.reset();
    profile_ = std::make_unique<Profile>(Party::kClient);
    inference_ = std::make_unique<ClientInference>(model_, channel_, SecretSeed::generate(), nullptr, profile_.get(),
                                                   Ahead::kSteps);
    state_ = State::kFailed;  // should it throw
    inference_->begin(input, next_++);
    state_ = State::kInference;
}

bool SteppedSession::step() {
    const State before = std::exchange(state_, State::kFailed);  // should it throw
    bool worked = false;
    if (before == State::kHandshake && channel_.ready(message_type::kServerHello)) {
        try {
            model_ = protocol::end_handshake(channel_, channel_.receive(message_type::kServerHello), options_).model;
        } catch (...) {
            channel_.fail(failure_sentence(Party::kClient));
            throw;
        }
        state_ = State::kReady;
        return true;
    }
    if (before == State::kReady || before == State::kResult) {
        if (const std::optional<Error> broken = channel_.error()) throw Error(*broken);
    } else if (before == State::kInference) {
        const ExpectedMessage next = *inference_->expected();
        if (channel_.ready(next.type)) {
            inference_->receive();
            worked = true;
        } else {
            worked = inference_->step();
        }
        if (!inference_->expected()) {
            state_ = State::kResult;
            return true;
        }
    }
    state_ = before;
    return worked;
}

int SteppedSession::layers_done() const { return inference_ ? inference_->layers_done() : 0; }

ClientResult SteppedSession::take_result() {
    require(state_ == State::kResult, ErrorKind::kInternal, "the result of an inference that has not ended");
    ClientResult result = inference_->result();
    inference_.reset();
    state_ = State::kReady;
    return result;
}

void SteppedSession::fail(const std::string& sentence) {
    channel_.fail(sentence);
    state_ = State::kFailed;
    inference_.reset();
}

}  // namespace flash::protocol
