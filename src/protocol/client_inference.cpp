#include "protocol/client_inference.h"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <chrono>

#include "lattice/bitpack.h"
#include "lattice/sampling.h"
#include "lattice/words.h"
#include "model/arithmetic.h"
#include "protocol/activation_shares.h"
#include "protocol/messages.h"
#include "protocol/receive.h"

namespace flash::protocol {

using transport::Message;
using transport::MessageType;

namespace {

constexpr std::size_t kBatch = 16;  // ciphertexts computed in parallel before they are sent in order

/// Adds the time since the last call to a phase.
class Stopwatch {
public:
    void lap(double& phase) {
        const auto now = std::chrono::steady_clock::now();
        phase += std::chrono::duration<double>(now - last_).count();
        last_ = now;
    }

private:
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

// The client's share of one chunk of an activation: uniform mod T, known before anything arrives.
void share_of_chunk(const SecretSeed& seed, int layer, std::size_t chunk, std::uint32_t modulus, std::span<std::uint32_t> out) {
    Prng rng(seed, "client activation share", {static_cast<std::uint64_t>(layer), chunk});
    lattice::sample_residues(rng, modulus, out);
}

}  // namespace

ClientInference::ClientInference(const ClientModel& model, transport::Channel& channel, SecretSeed seed, ShareProbe* probe)
    : model_(model),
      channel_(channel),
      seed_(std::move(seed)),
      probe_(probe),
      slots_(scheme::slot_parameters(model.architecture.plain_modulus)),
      publics_(model.fingerprint),
      values_(model.plan) {}

ClientInference::~ClientInference() = default;

ClientResult ClientInference::run(std::span<const std::int32_t> input, std::uint32_t number,
                                  const std::function<void(double)>& progress) {
    const model::Architecture& architecture = model_.architecture;
    require(input.size() == static_cast<std::size_t>(architecture.input.size()), ErrorKind::kInvalidArgument,
            "the input has the wrong number of values");
    const auto begin = std::chrono::steady_clock::now();
    Stopwatch watch;
    start(number);
    watch.lap(seconds_.setup);

    SecretVector<std::uint32_t> picture(input.size());
    for (std::size_t i = 0; i < input.size(); ++i)
        picture[i] = static_cast<std::uint32_t>(input[i]) +
                     (architecture.plain_modulus & (0u - static_cast<std::uint32_t>(input[i] < 0)));
    if (probe_) probe_->value(0, picture);
    values_.put(0, std::move(picture));
    upload(0);
    watch.lap(seconds_.encrypt);

    ClientResult result;
    const int layers = static_cast<int>(architecture.layers.size());
    for (int l = 0; l < layers; ++l) {
        // The client's share of this layer's activation is its own random choice, so the next upload needs nothing from the
        // server: it goes out before the response of this layer is even awaited.
        if (architecture.layers[static_cast<std::size_t>(l)].activation) {
            draw_share(l);
            if (l + 1 < layers) upload(l + 1);
        }
        watch.lap(seconds_.encrypt);
        receive_linear(l);
        ++result.round_trips;
        watch.lap(seconds_.decrypt);
        if (architecture.layers[static_cast<std::size_t>(l)].activation) answer_activation(l);
        watch.lap(seconds_.respond);
        if (progress) progress(static_cast<double>(l + 1) / layers);
    }
    // Waiting was measured inside the two steps.
    seconds_.decrypt -= seconds_.wait_linear;
    seconds_.respond -= seconds_.wait_keys;

    const int last = layers - 1;
    const model::Layer& output = architecture.layers.back();
    Message share = receive_expected(channel_, MessageType::kResultShare, static_cast<std::uint32_t>(last), 0,
                                           result_share_bytes(output.share_bits, pre_activations_.size()));
    SecretVector<std::uint32_t> server(pre_activations_.size());
    lattice::unpack(share.payload, output.share_bits, std::span<std::uint32_t>(server));
    wipe(share.payload.data(), share.payload.size());
    channel_.send({MessageType::kFinish, 0, number, {}});
    for (std::size_t i = 0; i < server.size(); ++i)
        result.x.push_back(reconstruct(pre_activations_[i], server[i], output.share_bits));
    result.logits = model::dequantise_output(architecture, result.x);
    seconds_.total = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    result.seconds = seconds_;
    return result;
}

void ClientInference::start(std::uint32_t number) {
    // A fresh key for every inference: the public `a` polynomials are fixed per model, so a key must never live longer.
    Prng rng(seed_, "client direct key");
    key_ = std::make_unique<scheme::DirectSecretKey>(publics_, rng);
    channel_.send({MessageType::kStart, 0, number, encode_words(key_->public_b())});
    const Message message = receive_expected(channel_, MessageType::kStartReply, 0, number,
                                             sizeof(PublicSeed) + scheme::slot_public_key_bytes(slots_));
    const StartReply reply = decode_start_reply(message.payload, slots_);
    evaluator_ = std::make_unique<scheme::SlotEvaluator>(slots_, reply.slot_seed, reply.slot_public_key);
}

void ClientInference::upload(int layer) {
    std::uint32_t index = 0;
    for (int id : model_.plan.layers[static_cast<std::size_t>(layer)].uploads) {
        const packing::Stream& stream = model_.plan.streams[static_cast<std::size_t>(id)];
        SecretVector<std::uint32_t> pooled;
        const auto share = values_.stream_input(stream, model_.architecture.plain_modulus, model_.architecture, pooled);
        const std::size_t count = static_cast<std::size_t>(stream.polynomials());
        for (std::size_t begin = 0; begin < count; begin += kBatch) {
            std::vector<Message> messages(std::min(kBatch, count - begin));
            tbb::parallel_for(std::size_t{0}, messages.size(), [&](std::size_t i) {
                const std::size_t p = begin + i;
                SecretVector<std::uint32_t> plain(scheme::kDirectDegree);
                packing::pack(stream, static_cast<int>(p), share, plain);
                Prng rng(seed_, "client upload", {static_cast<std::uint64_t>(id), p});
                std::vector<std::uint32_t> b(scheme::kDirectDegree);
                key_->encrypt({static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(p)}, plain,
                              model_.architecture.plain_modulus, rng, b);
                messages[i] = {MessageType::kUpload, static_cast<std::uint32_t>(layer),
                               index + static_cast<std::uint32_t>(i), encode_words(b)};
            });
            index += static_cast<std::uint32_t>(messages.size());
            for (Message& message : messages) channel_.send(std::move(message));
        }
    }
    values_.release_after(layer);
}

void ClientInference::draw_share(int layer) {
    const model::Layer& description = model_.architecture.layers[static_cast<std::size_t>(layer)];
    SecretVector<std::uint32_t> share(static_cast<std::size_t>(description.output.size()));
    tbb::parallel_for(std::size_t{0}, chunk_count(description.output.size()), [&](std::size_t chunk) {
        const std::size_t first = chunk * scheme::kSlotDegree;
        share_of_chunk(seed_, layer, chunk, model_.architecture.plain_modulus,
                       std::span<std::uint32_t>(share).subspan(first, std::min(scheme::kSlotDegree, share.size() - first)));
    });
    if (probe_) probe_->value(layer + 1, share);
    values_.put(layer + 1, std::move(share));
}

void ClientInference::receive_linear(int layer) {
    const model::Layer& description = model_.architecture.layers[static_cast<std::size_t>(layer)];
    const packing::LinearPlan& linear = model_.plan.layers[static_cast<std::size_t>(layer)];
    const int a_bits = response_a_bits(description.share_bits), b_bits = response_b_bits(description.share_bits);
    const std::size_t a_bytes = lattice::packed_bytes(scheme::kDirectDegree, a_bits);
    pre_activations_ = SecretVector<std::uint32_t>(static_cast<std::size_t>(description.output.size()));

    const std::size_t count = static_cast<std::size_t>(linear.polynomials());
    for (std::size_t begin = 0; begin < count; begin += kBatch) {
        const std::size_t end = std::min(begin + kBatch, count);
        std::vector<Message> messages;
        std::vector<std::vector<packing::ResultSlot>> slots;
        Stopwatch wait;
        for (std::size_t p = begin; p < end; ++p) {
            slots.push_back(packing::result_slots(linear, description.output, static_cast<int>(p)));
            messages.push_back(receive_expected(channel_, MessageType::kLinearResponse, static_cast<std::uint32_t>(layer),
                                                static_cast<std::uint32_t>(p),
                                                linear_response_bytes(description.share_bits, slots.back().size())));
        }
        wait.lap(seconds_.wait_linear);
        tbb::parallel_for(std::size_t{0}, messages.size(), [&](std::size_t i) {
            std::vector<std::uint32_t> a(scheme::kDirectDegree), selected(slots[i].size());  // as received: public to this party
            lattice::unpack(std::span<const std::uint8_t>(messages[i].payload).first(a_bytes), a_bits, a);
            lattice::unpack(std::span<const std::uint8_t>(messages[i].payload).subspan(a_bytes), b_bits, selected);
            lattice::from_top_bits(a, a_bits);
            lattice::from_top_bits(selected, b_bits);
            std::vector<std::uint16_t> positions(slots[i].size());
            for (std::size_t k = 0; k < positions.size(); ++k) positions[k] = static_cast<std::uint16_t>(slots[i][k].position);
            SecretVector<std::uint32_t> phase(positions.size());
            key_->decrypt(a, positions, selected, phase);
            for (std::size_t k = 0; k < positions.size(); ++k)
                pre_activations_[slots[i][k].element] = client_pre_activation(phase[k], description.share_bits);
        });
    }
    if (probe_) probe_->pre_activation(layer, pre_activations_);
}

void ClientInference::answer_activation(int layer) {
    const model::Layer& description = model_.architecture.layers[static_cast<std::size_t>(layer)];
    const std::uint32_t modulus = model_.architecture.plain_modulus;
    const std::size_t chunks = chunk_count(description.output.size());
    const std::size_t key_bytes = scheme::slot_ciphertext_bytes(slots_);
    for (std::size_t begin = 0; begin < chunks; begin += kBatch) {
        const std::size_t end = std::min(begin + kBatch, chunks);
        std::vector<Message> keys;
        Stopwatch wait;
        for (std::size_t chunk = begin; chunk < end; ++chunk)
            keys.push_back(receive_expected(channel_, MessageType::kActivationKeys, static_cast<std::uint32_t>(layer),
                                            static_cast<std::uint32_t>(chunk), activation_keys_bytes(slots_)));
        wait.lap(seconds_.wait_keys);
        std::vector<Message> responses(keys.size());
        tbb::parallel_for(begin, end, [&](std::size_t chunk) {
            const std::size_t first = chunk * scheme::kSlotDegree;
            const std::size_t count = std::min(scheme::kSlotDegree, pre_activations_.size() - first);
            SecretVector<std::uint32_t> mask(count), addend;
            share_of_chunk(seed_, layer, chunk, modulus, mask);
            std::array<SecretVector<std::uint32_t>, kServerVectors> vectors;
            std::array<scheme::SlotVectorId, kServerVectors> ids;
            std::array<scheme::SlotFactor, kServerVectors> factors;
            client_vectors(std::span<const std::uint32_t>(pre_activations_).subspan(first, count), description.share_bits, modulus,
                           vectors, addend);
            for (std::uint32_t v = 0; v < kServerVectors; ++v) {
                ids[v] = {static_cast<std::uint32_t>(layer), static_cast<std::uint32_t>(chunk), v};
                factors[v] = {std::span<const std::uint8_t>(keys[chunk - begin].payload).subspan(v * key_bytes, key_bytes), vectors[v]};
            }
            Prng rng(seed_, "client product response", {static_cast<std::uint64_t>(layer), chunk});
            responses[chunk - begin] = {MessageType::kProductResponse, static_cast<std::uint32_t>(layer), static_cast<std::uint32_t>(chunk),
                                        evaluator_->respond(evaluator_->prepare(ids, mask, rng), factors, addend)};
        });
        for (Message& response : responses) channel_.send(std::move(response));
    }
}

}  // namespace flash::protocol
