#include "protocol/server_inference.h"

#include <tbb/parallel_for.h>

#include <algorithm>

#include "lattice/bitpack.h"
#include "protocol/activation_keys.h"
#include "protocol/activation_shares.h"
#include "protocol/messages.h"
#include "protocol/receive.h"
#include "protocol/send.h"
#include "transport/frame.h"

namespace flash::protocol {

using transport::Message;
using transport::MessageType;

ServerInference::ServerInference(const PreparedModel& model, transport::Channel& channel, SecretSeed seed, ShareProbe* probe,
                                 Profile* profile)
    : model_(model),
      channel_(channel),
      seed_(std::move(seed)),
      probe_(probe),
      profile_(profile),
      slots_(scheme::slot_parameters(model.architecture().plain_modulus)),
      streams_(model.plan().streams.size()),
      values_(model.plan()) {}

ServerInference::~ServerInference() = default;

void ServerInference::run(const Message& start) {
    try {
        run_layers(start);
    } catch (const Error& error) {
        // What stopped the producer explains more than what that did to this thread; asked before the channel is closed, which would
        // stop it too.
        const std::exception_ptr cause = producer_ ? producer_->failure() : nullptr;
        // The producer may be blocked in the channel, and is joined when this object goes.
        channel_.fail(error.kind() == ErrorKind::kInternal ? "internal error of the server" : error.what());
        if (cause) std::rethrow_exception(cause);
        throw;
    } catch (...) {
        channel_.fail("internal error of the server");
        throw;
    }
}

void ServerInference::set_up(const Message& start) {
    ProfileSpan span(profile_, Profile::kNoLayer, Phase::kSetup);
    span.received(transport::frame_bytes(start));
    std::vector<std::uint32_t> public_b(scheme::kDirectDegree);
    decode_words(start.payload, public_b, "start");
    client_key_ = std::make_unique<scheme::DirectPublicKey>(model_.publics(), public_b);

    StartReply reply;
    reply.slot_seed = generate_public_seed();
    Prng key_rng(seed_, "server slot key");
    slot_key_ = std::make_unique<scheme::SlotSecretKey>(slots_, reply.slot_seed, key_rng);
    slot_key_->append_public_key(reply.slot_public_key);
    Message message{MessageType::kStartReply, 0, start.index, encode(reply)};
    span.sent(transport::frame_bytes(message));
    channel_.send(std::move(message));
    producer_ = std::make_unique<ActivationKeyProducer>(model_, channel_, seed_, *slot_key_, slots_, profile_);
}

void ServerInference::run_layers(const Message& start) {
    set_up(start);
    // The server's share of the input is zero: the client holds the whole picture.
    values_.put(0, SecretVector<std::uint32_t>(static_cast<std::size_t>(model_.architecture().input.size())));
    const int layers = static_cast<int>(model_.architecture().layers.size());
    for (int l = 0; l < layers; ++l) {
        receive_uploads(l);
        linear(l);
        if (model_.architecture().layers[static_cast<std::size_t>(l)].activation) activation(l);
    }
    finish(start.index);
}

// The result layer, always the last and the only one without an activation: its share goes to the client.
void ServerInference::finish(std::uint32_t number) {
    ProfileSpan span(profile_, Profile::kNoLayer, Phase::kFinish);
    const int bits = model_.architecture().layers.back().share_bits;
    Message share{MessageType::kResultShare, static_cast<std::uint32_t>(model_.architecture().layers.size() - 1), 0, {}};
    share.payload.resize(result_share_bytes(bits, pre_activations_.size()));
    lattice::pack(std::span<const std::uint32_t>(pre_activations_), bits, share.payload);
    span.sent(transport::frame_bytes(share));
    channel_.send(std::move(share));
    span.received(transport::frame_bytes(receive_expected(channel_, MessageType::kFinish, 0, number, 0)));
}

void ServerInference::receive_uploads(int layer) {
    const ProfileSpan span(profile_, layer, Phase::kLinear);
    const std::uint32_t modulus = model_.architecture().plain_modulus;
    std::uint32_t index = 0;
    for (int id : model_.plan().layers[static_cast<std::size_t>(layer)].uploads) {
        const packing::Stream& stream = model_.plan().streams[static_cast<std::size_t>(id)];
        const std::size_t count = static_cast<std::size_t>(stream.polynomials());
        // Received ciphertext and server's share together: whoever finds both finds the share, so the sum is wiped like one.
        SecretVector<std::uint32_t>& b = streams_[static_cast<std::size_t>(id)];
        b = SecretVector<std::uint32_t>(count * scheme::kDirectDegree);
        for (std::size_t p = 0; p < count; ++p, ++index) {
            ProfileSpan wait(profile_, layer, Phase::kWaitUpload);
            const Message message = receive_expected(channel_, MessageType::kUpload, static_cast<std::uint32_t>(layer), index,
                                                     upload_bytes());
            wait.received(transport::frame_bytes(message));
            decode_words(message.payload, std::span<std::uint32_t>(b).subspan(p * scheme::kDirectDegree, scheme::kDirectDegree), "upload");
        }
        // Add the server's own share to the plaintext part. Shares wrap mod T into multiples of q, which vanish.
        SecretVector<std::uint32_t> pooled;
        const auto share = values_.stream_input(stream, modulus, model_.architecture(), pooled);
        tbb::parallel_for(std::size_t{0}, count, [&](std::size_t p) {
            SecretVector<std::uint32_t> plain(scheme::kDirectDegree);
            packing::pack(stream, static_cast<int>(p), share, plain);
            std::uint32_t* words = b.data() + p * scheme::kDirectDegree;
            for (std::size_t i = 0; i < scheme::kDirectDegree; ++i) words[i] += scheme::scale_up(plain[i], modulus);
        });
    }
    values_.release_after(layer);
}

void ServerInference::linear(int layer) {
    const ProfileSpan span(profile_, layer, Phase::kLinear);
    const packing::LinearPlan& linear = model_.plan().layers[static_cast<std::size_t>(layer)];
    SecretVector<std::uint32_t> results(static_cast<std::size_t>(linear.polynomials()) * scheme::kDirectDegree);
    apply(model_.layer(layer).map, model_.plan(), layer,
          [&](int id) { return std::span<const std::uint32_t>(streams_[static_cast<std::size_t>(id)]); }, results);
    for (std::size_t id = 0; id < streams_.size(); ++id)
        if (model_.plan().streams[id].last_layer <= layer) streams_[id].wipe();
    send_responses(layer, results);
}

void ServerInference::send_responses(int layer, std::span<std::uint32_t> results) {
    const ProfileSpan span(profile_, layer, Phase::kMask);
    const auto at = static_cast<std::size_t>(layer);
    const model::Layer& description = model_.architecture().layers[at];
    const packing::LinearPlan& linear = model_.plan().layers[at];
    const std::vector<std::int32_t>& bias = model_.model().weights.layers[at].bias;
    const std::uint32_t modulus = model_.architecture().plain_modulus;
    const std::size_t map = static_cast<std::size_t>(description.output.height) * static_cast<std::size_t>(description.output.width);
    const int a_bits = response_a_bits(description.share_bits), b_bits = response_b_bits(description.share_bits);

    pre_activations_ = SecretVector<std::uint32_t>(static_cast<std::size_t>(description.output.size()));
    std::vector<Message> messages(static_cast<std::size_t>(linear.polynomials()));
    tbb::parallel_for(0, linear.polynomials(), [&](int p) {
        const auto slots = packing::result_slots(linear, description.output, p);
        const std::span<std::uint32_t> b = results.subspan(static_cast<std::size_t>(p) * scheme::kDirectDegree, scheme::kDirectDegree);
        for (const packing::ResultSlot& slot : slots) {
            const std::int32_t value = bias[slot.element / map];
            const auto residue = static_cast<std::uint32_t>(value) + (modulus & (0u - static_cast<std::uint32_t>(value < 0)));
            b[slot.position] += scheme::scale_up(residue, modulus);
        }
        // Fresh u and e1 make the a half an RLWE sample of the server's; rho, uniform over all of R_q, hides the b half with
        // its noise. What the client sees is then independent of the weights, given its share.
        SecretVector<std::uint32_t> rho(scheme::kDirectDegree);
        result_mask(seed_, layer, p, rho);
        std::vector<std::uint32_t> a(model_.layer(layer).a.begin() + static_cast<std::ptrdiff_t>(p) * static_cast<std::ptrdiff_t>(scheme::kDirectDegree),
                                     model_.layer(layer).a.begin() + static_cast<std::ptrdiff_t>(p + 1) * static_cast<std::ptrdiff_t>(scheme::kDirectDegree));
        Prng rng(seed_, "server re-randomisation", {static_cast<std::uint64_t>(layer), static_cast<std::uint64_t>(p)});
        client_key_->mask(a, b, rho, rng);

        std::vector<std::uint32_t> selected(slots.size());
        for (std::size_t i = 0; i < slots.size(); ++i) {
            selected[i] = b[slots[i].position];
            pre_activations_[slots[i].element] = server_pre_activation(rho[slots[i].position], description.share_bits);
        }
        lattice::round_to_top_bits(a, a_bits);
        lattice::round_to_top_bits(selected, b_bits);
        const std::size_t a_bytes = lattice::packed_bytes(a.size(), a_bits);
        Message& message = messages[static_cast<std::size_t>(p)];
        message = {MessageType::kLinearResponse, static_cast<std::uint32_t>(layer), static_cast<std::uint32_t>(p), {}};
        message.payload.resize(linear_response_bytes(description.share_bits, slots.size()));
        lattice::pack(std::span<const std::uint32_t>(a), a_bits, std::span(message.payload).first(a_bytes));
        lattice::pack(std::span<const std::uint32_t>(selected), b_bits, std::span(message.payload).subspan(a_bytes));
    });
    if (probe_) probe_->pre_activation(layer, pre_activations_);
    send_all(channel_, messages, profile_, layer);
}

void ServerInference::activation(int layer) {
    const ProfileSpan span(profile_, layer, Phase::kDecrypt);
    const auto at = static_cast<std::size_t>(layer);
    const model::Layer& description = model_.architecture().layers[at];
    const model::LayerWeights& weights = model_.model().weights.layers[at];
    const std::size_t values = pre_activations_.size();
    const std::size_t chunks = chunk_count(description.output.size());
    SecretVector<std::uint32_t> share(values);
    std::vector<Message> responses;
    for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
        ProfileSpan wait(profile_, layer, Phase::kWaitProduct);
        responses.push_back(receive_expected(channel_, MessageType::kProductResponse, static_cast<std::uint32_t>(layer),
                                             static_cast<std::uint32_t>(chunk), scheme::slot_response_bytes(slots_)));
        wait.received(transport::frame_bytes(responses.back()));
        producer_->answered();
    }
    tbb::parallel_for(std::size_t{0}, chunks, [&](std::size_t chunk) {
        const std::size_t first = chunk * scheme::kSlotDegree;
        const std::size_t count = std::min(scheme::kSlotDegree, values - first);
        const auto part = std::span<std::uint32_t>(share).subspan(first, count);
        slot_key_->decrypt(responses[chunk].payload, part);
        SecretVector<std::int32_t> kappa(count), offset(count);
        expand_channels(weights.kappa, description.output, first, kappa);
        expand_channels(weights.offset, description.output, first, offset);
        finish_server_share(part, std::span<const std::uint32_t>(pre_activations_).subspan(first, count), kappa, offset,
                            model_.architecture().plain_modulus);
    });
    if (probe_) probe_->value(layer + 1, share);
    values_.put(layer + 1, std::move(share));
}

}  // namespace flash::protocol
