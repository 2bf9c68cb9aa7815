#include "protocol/client_session.h"

#include "base/error.h"
#include "model/arithmetic.h"
#include "protocol/flow/failure.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"

namespace flash::protocol {

std::vector<ModelEntry> list_models(transport::Channel& channel, std::chrono::milliseconds timeout,
                                    std::span<const char> token) {
    transport::Limits limits;
    limits.timeout = timeout;
    limits.name_of = name_of;
    channel.set_limits(limits);
    channel.send({message_type::kListModels, 0, 0, encode_list_models(token)});
    std::vector<ModelEntry> models = decode_model_list(channel.receive(message_type::kModelList).payload);
    channel.close();
    return models;
}

ClientSession::ClientSession(std::unique_ptr<transport::Channel> channel, const ClientSessionOptions& options)
    : channel_(std::move(channel)) {
    try {
        begin_handshake(*channel_, options);
        model_ = end_handshake(*channel_, channel_->receive(message_type::kServerHello), options);
    } catch (...) {
        channel_->fail(failure_sentence(Party::kClient));
        throw;
    }
}

ClientSession::~ClientSession() {
    if (channel_) channel_->close();
}

ClientResult ClientSession::infer(std::span<const float> picture, const std::function<void(double)>& progress,
                                  Profile* profile) {
    return infer_integers(model::quantise_input(model_.architecture, picture), nullptr, progress, profile);
}

ClientResult ClientSession::infer_integers(std::span<const std::int32_t> input, ShareProbe* probe,
                                           const std::function<void(double)>& progress, Profile* profile) {
    require(channel_ != nullptr, ErrorKind::kNetwork, "the session is closed after an earlier error");
    try {
        ClientInference inference(model_, *channel_, SecretSeed::generate(), probe, profile);
        return inference.run(input, next_++, progress);
    } catch (...) {
        channel_->fail(failure_sentence(Party::kClient));
        channel_.reset();
        throw;
    }
}

}  // namespace flash::protocol
