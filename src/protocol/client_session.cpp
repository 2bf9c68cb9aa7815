#include "protocol/client_session.h"

#include "base/error.h"
#include "model/arithmetic.h"
#include "model/file.h"
#include "protocol/flow/failure.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "protocol/session_limits.h"

namespace flash::protocol {

namespace {

// Everything here comes from the server and is checked before use: sizes by the decoder, shapes and counts by
// parse_architecture, the packing by make_plan.
ClientModel handshake(transport::Channel& channel, const ClientSessionOptions& options) {
    ClientHello hello;
    require(options.model.size() <= kMaxModelNameBytes, ErrorKind::kInvalidArgument, "the model's name is too long");
    hello.model = options.model;
    if (options.token) {
        require(options.token->size() <= kMaxTokenBytes, ErrorKind::kInvalidArgument, "the token is too long");
        hello.token = SecretVector<char>(options.token->size());
        std::ranges::copy(std::span(options.token->data(), options.token->size()), hello.token.data());
    }
    if (options.expected_fingerprint) hello.expected_fingerprint = *options.expected_fingerprint;
    channel.send({message_type::kClientHello, 0, 0, encode(hello)});
    const transport::Message message = channel.receive(message_type::kServerHello);
    if (message.layer != 0 || message.index != 0)
        throw Error(ErrorKind::kProtocol, "server hello: layer and index must be 0");
    const ServerHello reply = decode_server_hello(message.payload);
    if (reply.version != kProtocolVersion)
        throw Error(ErrorKind::kProtocol, "the server speaks protocol version " + std::to_string(reply.version) +
                                              ", this client version " + std::to_string(kProtocolVersion));
    const Sha256 fingerprint = model::fingerprint(reply.architecture, reply.secret_digest);
    if (options.expected_fingerprint && *options.expected_fingerprint != fingerprint)
        throw Error(ErrorKind::kProtocol,
                    "the server's model has fingerprint " + to_hex(fingerprint) + ", not the expected one");
    model::Architecture architecture = model::parse_architecture(reply.architecture);
    std::shared_ptr<const Activation> activation = make_activation(architecture, reply.guarded);
    ClientModel model(std::move(architecture), fingerprint, std::move(activation), reply.epoch);
    if (reply.session.has_value() != model.plan.has_levels())
        throw Error(ErrorKind::kProtocol,
                    "the server's hello does not fit its model: the random number of the session");
    model.session = reply.session.value_or(PublicSeed{});
    check_policy(model, options.policy);
    return model;
}

}  // namespace

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
        transport::Limits limits;
        limits.timeout = options.timeout;
        limits.name_of = name_of;
        limits.max_payload = model::kMaxArchitectureBytes + 1024;
        limits.max_queued = 2 * limits.max_payload;
        channel_->set_limits(limits);
        model_ = handshake(*channel_, options);
        check_client_shares(model_.cost);
        channel_->set_limits(client_limits(model_, options.timeout));
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
