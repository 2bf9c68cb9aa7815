#include "protocol/server_session.h"

#include <algorithm>
#include <atomic>

#include "base/error.h"
#include "base/wipe_at_end.h"
#include "model/file.h"
#include "protocol/flow/failure.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "protocol/server_inference.h"
#include "protocol/server_lanes.h"
#include "protocol/session_limits.h"

namespace flash::protocol {

using transport::Message;

namespace {

/// Nothing where the client asked for the list of models instead, and has it.
std::optional<ClientHello> receive_hello(const ListModels& list, transport::Channel& channel,
                                         std::chrono::milliseconds patience) {
    channel.set_limits(hello_limits(patience));
    Message message = channel.receive_any(patience);
    const WipeAtEnd wiped(message.payload);  // it holds the token
    if (message.layer != 0 || message.index != 0)
        throw Error(ErrorKind::kProtocol, "client hello: layer and index must be 0");
    if (message.type == message_type::kListModels) {
        const SecretVector<char> token = decode_list_models(message.payload);
        transport::Limits limits;  // the list may be longer than what is taken of a client
        limits.timeout = patience;
        channel.set_limits(limits);
        channel.send({message_type::kModelList, 0, 0, encode(list(std::span(token.data(), token.size())))});
        return std::nullopt;
    }
    if (message.type != message_type::kClientHello)
        throw Error(ErrorKind::kProtocol, std::string("expected a client hello, got ") + name_of(message.type));
    ClientHello hello = decode_client_hello(message.payload);
    if (hello.version != kProtocolVersion)
        throw Error(ErrorKind::kProtocol, "the client speaks protocol version " + std::to_string(hello.version) +
                                              ", this server version " + std::to_string(kProtocolVersion));
    return hello;
}

/// Gives the random number of the session that the client was told.
PublicSeed answer_hello(const ClientHello& hello, const Chosen& chosen, transport::Channel& channel) {
    const PreparedModel& model = *chosen.model;
    if (hello.expected_fingerprint != Sha256{} && hello.expected_fingerprint != model.fingerprint())
        throw Error(ErrorKind::kProtocol,
                    "the client expects another model; this server's has fingerprint " + to_hex(model.fingerprint()));
    ServerHello reply;
    reply.secret_digest = model.secret_digest();
    reply.architecture = model::serialize(model.architecture());
    reply.guarded = model.activation().guarded();
    reply.epoch = model.epoch();
    if (model.plan().has_levels()) reply.session = generate_public_seed();
    reply.in_flight = chosen.in_flight;
    channel.send({message_type::kServerHello, 0, 0, encode(reply)});
    return reply.session.value_or(PublicSeed{});
}

/// The next kStart, or nothing when the client left or the server stops.
bool await_start(transport::Channel& channel, const ServerSessionOptions& options, bool first, Message& start) {
    constexpr std::chrono::milliseconds kPoll{200};
    const auto patience = first ? std::min(options.first_timeout, options.idle_timeout) : options.idle_timeout;
    for (std::chrono::milliseconds waited{0}; waited < patience; waited += kPoll) {
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

/// The inferences of one session.
class Inferences {
public:
    Inferences(const PreparedModel& model, const ServerSessionOptions& options) : model_(model), options_(options) {}

    /// The random number of the session that the client was told.
    void set_session(const PublicSeed& session) { session_ = session; }
    std::uint32_t served() const { return served_; }

    void serve(transport::Channel& channel, std::uint32_t number, const Message& start) {
        try {
            run(channel, number, start);
        } catch (...) {
            if (options_.on_failure) options_.on_failure(number);
            throw;
        }
    }
    void one_after_the_other(transport::Channel& channel) {
        Message start;
        while (await_start(channel, options_, served_ == 0, start)) {
            if (start.type != message_type::kStart || start.layer != 0 || start.index != served_)
                throw Error(ErrorKind::kProtocol, "expected the start of inference " + std::to_string(served_) +
                                                      ", got " + name_of(start.type));
            serve(channel, start.index, start);
        }
    }
    void at_a_time(ServerLanes& lanes) {
        lanes.run([&] { return options_.stop && *options_.stop; },
                  [&] {
                      return served_ == 0 ? std::min(options_.first_timeout, options_.idle_timeout)
                                          : options_.idle_timeout;
                  });
    }

private:
    void run(transport::Channel& channel, std::uint32_t number, const Message& start) {
        const auto begin = std::chrono::steady_clock::now();
        if (options_.on_start) options_.on_start(number);
        Profile* const profile = options_.profile ? options_.profile(number) : nullptr;
        ServerInference(model_, channel, SecretSeed::generate(), options_.probe, profile, session_).run(start, [&] {
            if (options_.on_upload) options_.on_upload(number);
        });
        ++served_;
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        if (options_.on_inference) options_.on_inference(number, took.count());
    }

    const PreparedModel& model_;
    const ServerSessionOptions& options_;
    PublicSeed session_{};
    std::atomic<std::uint32_t> served_ = 0;
};

}  // namespace

transport::Limits hello_limits(std::chrono::milliseconds timeout) {
    transport::Limits limits;
    limits.timeout = timeout;
    limits.name_of = name_of;
    limits.max_payload = std::size_t{4} << 10;  // the transport's own kError fits
    limits.max_queued = 4 * limits.max_payload;
    return limits;
}

ServerSessionSummary serve_session(const ChooseModel& choose, const ListModels& list, transport::Channel& channel,
                                   const ServerSessionOptions& options) {
    ServerSessionSummary summary;
    try {
        std::optional<ClientHello> hello =
            receive_hello(list, channel, std::min(options.first_timeout, options.timeout));
        if (!hello) {
            channel.close();
            return summary;
        }
        hello->in_flight = std::min(hello->in_flight, std::max(options.in_flight, 1U));
        const Chosen chosen = choose(*hello);
        const transport::Limits limits = server_limits(chosen.model->cost(), options.timeout);
        Inferences inferences(*chosen.model, options);
        // Before the client is told that it may, as it begins at once.
        if (chosen.in_flight == 1) {
            channel.set_limits(limits);
            inferences.set_session(answer_hello(*hello, chosen, channel));
            inferences.one_after_the_other(channel);
        } else {
            ServerLanes lanes(channel, chosen.in_flight, limits,
                              [&](transport::Channel& lane, std::uint32_t number, const Message& start) {
                                  inferences.serve(lane, number, start);
                              });
            inferences.set_session(answer_hello(*hello, chosen, channel));
            inferences.at_a_time(lanes);
        }
        summary.inferences = inferences.served();
        channel.close();
    } catch (...) {
        channel.fail(failure_sentence(Party::kServer));
        throw;
    }
    return summary;
}

ServerSessionSummary serve_session(const PreparedModel& model, transport::Channel& channel,
                                   const ServerSessionOptions& options) {
    // Not owned: the caller's model outlives the session.
    const std::shared_ptr<const PreparedModel> only(std::shared_ptr<const PreparedModel>(), &model);
    const auto list = [&](std::span<const char>) {
        return std::vector<ModelEntry>{{"model", 0, model.fingerprint(), model.architecture().name}};
    };
    return serve_session(
        [&](const ClientHello& hello) {
            return Chosen{only, hello.in_flight};
        },
        list, channel, options);
}

}  // namespace flash::protocol
