#include "protocol/client_handshake.h"

#include <algorithm>

#include "base/error.h"
#include "model/architecture_wire.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "protocol/session_limits.h"

namespace flash::protocol {

void begin_handshake(transport::Channel& channel, const ClientSessionOptions& options) {
    transport::Limits limits;
    limits.timeout = options.timeout;
    limits.name_of = name_of;
    limits.max_payload = model::kMaxArchitectureBytes + 1024;
    limits.max_queued = 2 * limits.max_payload;
    channel.set_limits(limits);
    ClientHello hello;
    require(options.model.size() <= kMaxModelNameBytes, ErrorKind::kInvalidArgument, "the model's name is too long");
    hello.model = options.model;
    if (options.token) {
        require(options.token->size() <= kMaxTokenBytes, ErrorKind::kInvalidArgument, "the token is too long");
        hello.token = SecretVector<char>(options.token->size());
        std::ranges::copy(std::span(options.token->data(), options.token->size()), hello.token.data());
    }
    require(options.in_flight >= 1 && options.in_flight <= kMaxInFlight, ErrorKind::kInvalidArgument,
            "inferences at a time are 1 to 64");
    static_assert(kMaxInFlight == 64);
    hello.in_flight = options.in_flight;
    if (options.expected_fingerprint) hello.expected_fingerprint = *options.expected_fingerprint;
    channel.send({message_type::kClientHello, 0, 0, encode(hello)});
}

ServerOffer end_handshake(transport::Channel& channel, const transport::Message& message,
                          const ClientSessionOptions& options) {
    if (message.layer != 0 || message.index != 0)
        throw Error(ErrorKind::kProtocol, "server hello: layer and index must be 0");
    const ServerHello reply = decode_server_hello(message.payload);
    if (reply.version != kProtocolVersion)
        throw Error(ErrorKind::kProtocol, "the server speaks protocol version " + std::to_string(reply.version) +
                                              ", this client version " + std::to_string(kProtocolVersion));
    if (reply.in_flight > options.in_flight)
        throw Error(ErrorKind::kProtocol, "the server takes " + std::to_string(reply.in_flight) +
                                              " inferences at a time, more than were asked for");
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
    check_client_shares(model.cost);
    channel.set_limits(client_limits(model, options.timeout));
    return {std::move(model), reply.in_flight};
}

}  // namespace flash::protocol
