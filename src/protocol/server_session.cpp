#include "protocol/server_session.h"

#include "base/error.h"
#include "model/file.h"
#include "protocol/flow/failure.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "protocol/server_inference.h"
#include "protocol/session_limits.h"

namespace flash::protocol {

using transport::Message;

namespace {

/// Gives the random number of the session that the client was told.
PublicSeed handshake(const PreparedModel& model, transport::Channel& channel) {
    const Message message = channel.receive(message_type::kClientHello);
    if (message.layer != 0 || message.index != 0)
        throw Error(ErrorKind::kProtocol, "client hello: layer and index must be 0");
    const ClientHello hello = decode_client_hello(message.payload);
    if (hello.version != kProtocolVersion)
        throw Error(ErrorKind::kProtocol, "the client speaks protocol version " + std::to_string(hello.version) +
                                              ", this server version " + std::to_string(kProtocolVersion));
    if (hello.expected_fingerprint != Sha256{} && hello.expected_fingerprint != model.fingerprint())
        throw Error(ErrorKind::kProtocol,
                    "the client expects another model; this server's has fingerprint " + to_hex(model.fingerprint()));
    ServerHello reply;
    reply.secret_digest = model.secret_digest();
    reply.architecture = model::serialize(model.architecture());
    reply.guarded = model.activation().guarded();
    if (model.plan().has_levels()) reply.session = generate_public_seed();
    channel.send({message_type::kServerHello, 0, 0, encode(reply)});
    return reply.session.value_or(PublicSeed{});
}

/// The next kStart, or nothing when the client left or the server stops.
bool await_start(transport::Channel& channel, const ServerSessionOptions& options, Message& start) {
    constexpr std::chrono::milliseconds kPoll{200};
    for (std::chrono::milliseconds waited{0}; waited < options.idle_timeout; waited += kPoll) {
        if (options.stop && *options.stop) return false;
        try {
            start = channel.receive_any(kPoll);
            return true;
        } catch (const Error& error) {
            if (error.kind() == ErrorKind::kNetwork) return false;
            if (error.kind() != ErrorKind::kTimeout) throw;
        }
    }
    throw Error(ErrorKind::kTimeout, "the client was idle for too long");
}

}  // namespace

ServerSessionSummary serve_session(const PreparedModel& model, transport::Channel& channel,
                                   const ServerSessionOptions& options) {
    ServerSessionSummary summary;
    try {
        channel.set_limits(server_limits(model.cost(), options.timeout));
        const PublicSeed session = handshake(model, channel);
        Message start;
        while (await_start(channel, options, start)) {
            if (start.type != message_type::kStart || start.layer != 0 || start.index != summary.inferences)
                throw Error(ErrorKind::kProtocol, std::string("expected the start of inference ") +
                                                      std::to_string(summary.inferences) + ", got " +
                                                      name_of(start.type));
            const auto begin = std::chrono::steady_clock::now();
            Profile* const profile = options.profile ? options.profile(summary.inferences) : nullptr;
            ServerInference(model, channel, SecretSeed::generate(), options.probe, profile, session).run(start);
            ++summary.inferences;
            if (options.on_inference)
                options.on_inference(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
        }
        channel.close();
    } catch (...) {
        channel.fail(failure_sentence(Party::kServer));
        throw;
    }
    return summary;
}

}  // namespace flash::protocol
