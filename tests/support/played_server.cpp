#include "support/played_server.h"

#include <algorithm>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "lattice/bitpack.h"
#include "lattice/words.h"
#include "protocol/activation/composite/setup.h"
#include "protocol/message_types.h"
#include "protocol/messages.h"
#include "protocol/session_limits.h"
#include "transport/loopback.h"

namespace flash::testing {

using protocol::make_message;
using transport::Message;
namespace message_type = protocol::message_type;

Bytes PlayedServer::setup(const Message&) {
    protocol::CompositeSetup setup;
    setup.public_key.assign(ring().ciphertext_bytes(), 0);
    return protocol::encode(setup);
}
Bytes PlayedServer::linear_response(int layer, int polynomial) { return Bytes(response_bytes(layer, polynomial)); }
Bytes PlayedServer::vectors(int, std::size_t) { return Bytes(known_.activation->sizes().vectors); }
Bytes PlayedServer::result_share() {
    const model::Layer& last = known_.architecture.layers.back();
    return Bytes(protocol::result_share_bytes(last.share_bits, static_cast<std::size_t>(last.output.size())));
}

std::size_t PlayedServer::response_bytes(int layer, int polynomial) const {
    const model::Layer& description = known_.architecture.layers[static_cast<std::size_t>(layer)];
    const packing::LinearPlan& linear = known_.plan.layers[static_cast<std::size_t>(layer)];
    return protocol::linear_response_bytes(linear.degree(), description.share_bits,
                                           packing::result_count(linear, description.output, polynomial));
}

std::vector<const Message*> PlayedRun::of(transport::MessageType type) const {
    std::vector<const Message*> found;
    for (const Message& message : sent)
        if (message.type == type) found.push_back(&message);
    return found;
}

namespace {

/// What the server has to say about a layer.
std::vector<Message> messages_of(PlayedServer& server, int layer) {
    const protocol::ClientModel& known = server.known();
    const auto at = static_cast<std::uint32_t>(layer);
    std::vector<Message> messages;
    for (int p = 0; p < known.plan.layers[at].polynomials(); ++p)
        messages.push_back(make_message(message_type::kLinearResponse, at, static_cast<std::uint32_t>(p),
                                        server.linear_response(layer, p)));
    const std::size_t first = known.activation->vectors_end(layer - 1), end = known.activation->vectors_end(layer);
    for (std::size_t number = first; number < end; ++number)
        messages.push_back(make_message(message_type::kServerVectors, at, static_cast<std::uint32_t>(number - first),
                                        server.vectors(layer, number)));
    if (!known.architecture.layers[at].activation)
        messages.push_back(make_message(message_type::kResultShare, at, 0, server.result_share()));
    server.rearrange(layer, messages);
    return messages;
}

void serve(PlayedServer& server, transport::Channel& channel) {
    const protocol::ClientModel& known = server.known();
    const Message start = channel.receive(message_type::kStart);
    channel.send(make_message(message_type::kStartReply, 0, start.index, server.setup(start)));
    const int layers = static_cast<int>(known.architecture.layers.size());
    if (server.ahead_of_everything())
        for (int layer = 0; layer < layers; ++layer)
            for (Message& message : messages_of(server, layer)) channel.send(std::move(message));
    for (int layer = 0; layer < layers; ++layer) {
        for (const int id : known.plan.layers[static_cast<std::size_t>(layer)].uploads)
            for (int p = 0; p < known.plan.streams[static_cast<std::size_t>(id)].polynomials(); ++p)
                channel.receive(message_type::kUpload);
        if (!server.ahead_of_everything())
            for (Message& message : messages_of(server, layer)) channel.send(std::move(message));
        for (std::size_t chunk = 0; chunk < known.activation->chunks(layer); ++chunk)
            channel.receive(message_type::kProductResponse);
    }
    channel.receive(message_type::kFinish);
}

}  // namespace

PlayedRun play(PlayedServer& server, const std::vector<std::int32_t>& picture, std::uint64_t client_seed,
               protocol::ShareProbe* probe) {
    using namespace std::chrono_literals;
    PlayedRun run;
    transport::LoopbackOptions options;
    options.first_to_second = [&](Message message) {
        run.sent.push_back(message);
        return std::optional<Message>(std::move(message));
    };
    auto [client_end, server_end] = transport::make_loopback(std::move(options));
    transport::Limits limits = protocol::client_limits(server.known(), 20s);
    limits.max_queued = std::size_t{1} << 30;  // for a server that sends everything at once
    client_end->set_limits(limits);
    server_end->set_limits(limits);
    std::thread thread([&, end = server_end.get()] {
        try {
            serve(server, *end);
        } catch (const Error&) {  // the client has left; what it says is in its own error
            end->close();
        }
    });
    try {
        run.result = protocol::ClientInference(
                         server.known(), *client_end,
                         client_seed ? SecretSeed::for_testing(client_seed) : SecretSeed::generate(), probe)
                         .run(picture, 0);
    } catch (const Error& error) {
        run.error = error.what();
    }
    client_end->close();
    thread.join();
    return run;
}

Bytes packed_half(const scheme::CompositeRing& ring,
                  const std::function<std::uint64_t(const lattice::Modulus&, std::size_t)>& value) {
    Bytes out;
    AlignedVector<std::uint64_t> residues(ring.degree());
    for (std::size_t p = 0; p < ring.parts(); ++p) {
        for (std::size_t i = 0; i < ring.degree(); ++i) residues[i] = value(ring.part(p).modulus(), i);
        ring.part(p).append_packed(residues, out);
    }
    return out;
}

PublicSeed activation_nonce(const Message& start) {
    PublicSeed nonce;
    std::copy_n(start.payload.end() - static_cast<std::ptrdiff_t>(nonce.size()), nonce.size(), nonce.begin());
    return nonce;
}

Bytes packed_response(const protocol::ClientModel& known, int layer, int polynomial, std::vector<std::uint32_t> a,
                      std::vector<std::uint32_t> b) {
    const model::Layer& description = known.architecture.layers[static_cast<std::size_t>(layer)];
    const packing::LinearPlan& linear = known.plan.layers[static_cast<std::size_t>(layer)];
    const int a_bits = protocol::response_a_bits(description.share_bits),
              b_bits = protocol::response_b_bits(description.share_bits);
    const std::size_t a_bytes = lattice::packed_bytes(linear.degree(), a_bits);
    lattice::round_to_top_bits(a, a_bits);
    lattice::round_to_top_bits(b, b_bits);
    Bytes payload(protocol::linear_response_bytes(linear.degree(), description.share_bits,
                                                  packing::result_count(linear, description.output, polynomial)));
    lattice::pack(std::span<const std::uint32_t>(a), a_bits, std::span(payload).first(a_bytes));
    lattice::pack(std::span<const std::uint32_t>(b), b_bits, std::span(payload).subspan(a_bytes));
    return payload;
}

}  // namespace flash::testing
