#include "protocol/client_inference.h"

#include <tbb/parallel_for.h>

#include <algorithm>

#include "lattice/bitpack.h"
#include "model/arithmetic.h"
#include "protocol/activation_shares.h"
#include "protocol/messages.h"
#include "protocol/receive.h"
#include "protocol/send.h"
#include "transport/frame.h"

namespace flash::protocol {

using transport::Message;
using transport::MessageType;

namespace {

constexpr std::size_t kBatch = 16;  // ciphertexts computed in parallel before they are sent in order

// The client's share of one chunk of an activation: uniform mod T, known before anything arrives.
void share_of_chunk(const SecretSeed& seed, int layer, std::size_t chunk, std::uint32_t modulus, std::span<std::uint32_t> out) {
    Prng rng(seed, "client activation share", {static_cast<std::uint64_t>(layer), chunk});
    for (std::uint32_t& value : out) value = static_cast<std::uint32_t>(rng.below(modulus));
}

}  // namespace

PhaseSeconds phase_seconds(const Profile& profile) {
    PhaseSeconds seconds;
    for (const ProfileEntry& entry : summarise(profile)) {
        switch (entry.phase) {
            case Phase::kSetup: seconds.setup += entry.seconds; break;
            case Phase::kShare:
            case Phase::kEncrypt: seconds.encrypt += entry.seconds; break;
            case Phase::kSend: seconds.send += entry.seconds; break;
            case Phase::kWaitLinear: seconds.wait_linear += entry.seconds; break;
            case Phase::kDecrypt: seconds.decrypt += entry.seconds; break;
            case Phase::kWaitKeys: seconds.wait_keys += entry.seconds; break;
            case Phase::kRespond: seconds.respond += entry.seconds; break;
            default: break;
        }
    }
    seconds.total = wall_seconds(profile);
    return seconds;
}

ClientInference::ClientInference(const ClientModel& model, transport::Channel& channel, SecretSeed seed, ShareProbe* probe,
                                 Profile* profile)
    : model_(model),
      channel_(channel),
      seed_(std::move(seed)),
      probe_(probe),
      profile_(profile ? profile : &own_profile_),
      slots_(scheme::slot_parameters(model.architecture.plain_modulus)),
      publics_(model.fingerprint),
      values_(model.plan) {}

ClientInference::~ClientInference() = default;

ClientResult ClientInference::run(std::span<const std::int32_t> input, std::uint32_t number,
                                  const std::function<void(double)>& progress) {
    const model::Architecture& architecture = model_.architecture;
    require(input.size() == static_cast<std::size_t>(architecture.input.size()), ErrorKind::kInvalidArgument,
            "the input has the wrong number of values");
    start(number);

    SecretVector<std::uint32_t> picture(input.size());
    for (std::size_t i = 0; i < input.size(); ++i)
        picture[i] = static_cast<std::uint32_t>(input[i]) +
                     (architecture.plain_modulus & (0u - static_cast<std::uint32_t>(input[i] < 0)));
    if (probe_) probe_->value(0, picture);
    values_.put(0, std::move(picture));
    upload(0);

    ClientResult result;
    const int layers = static_cast<int>(architecture.layers.size());
    for (int l = 0; l < layers; ++l) {
        // The client's share of this layer's activation is its own random choice, so the next upload needs nothing from the
        // server: it goes out before the response of this layer is even awaited.
        if (architecture.layers[static_cast<std::size_t>(l)].activation) {
            draw_share(l);
            if (l + 1 < layers) upload(l + 1);
        }
        receive_linear(l);
        ++result.round_trips;
        if (architecture.layers[static_cast<std::size_t>(l)].activation) answer_activation(l);
        if (progress) progress(static_cast<double>(l + 1) / layers);
    }
    finish(number, result);
    result.seconds = phase_seconds(*profile_);
    return result;
}

void ClientInference::finish(std::uint32_t number, ClientResult& result) {
    ProfileSpan span(profile_, Profile::kNoLayer, Phase::kFinish);
    const model::Architecture& architecture = model_.architecture;
    const auto last = static_cast<int>(architecture.layers.size()) - 1;
    const model::Layer& output = architecture.layers.back();
    Message share = receive_expected(channel_, MessageType::kResultShare, static_cast<std::uint32_t>(last), 0,
                                           result_share_bytes(output.share_bits, pre_activations_.size()));
    span.received(transport::frame_bytes(share));
    SecretVector<std::uint32_t> server(pre_activations_.size());
    lattice::unpack(share.payload, output.share_bits, std::span<std::uint32_t>(server));
    OPENSSL_cleanse(share.payload.data(), share.payload.size());
    span.sent(transport::kFrameHeaderBytes);
    channel_.send({MessageType::kFinish, 0, number, {}});
    for (std::size_t i = 0; i < server.size(); ++i)
        result.x.push_back(reconstruct(pre_activations_[i], server[i], output.share_bits));
    result.logits = model::dequantise_output(architecture, result.x);
}

void ClientInference::start(std::uint32_t number) {
    ProfileSpan span(profile_, Profile::kNoLayer, Phase::kSetup);
    // A fresh key for every inference: the public `a` polynomials are fixed per model, so a key must never live longer.
    Prng rng(seed_, "client direct key");
    key_ = std::make_unique<scheme::DirectSecretKey>(publics_, rng);
    Message request{MessageType::kStart, 0, number, encode_words(key_->public_b())};
    span.sent(transport::frame_bytes(request));
    channel_.send(std::move(request));
    const Message message = receive_expected(channel_, MessageType::kStartReply, 0, number,
                                             sizeof(PublicSeed) + scheme::slot_public_key_bytes(slots_));
    span.received(transport::frame_bytes(message));
    const StartReply reply = decode_start_reply(message.payload, slots_);
    evaluator_ = std::make_unique<scheme::SlotEvaluator>(slots_, reply.slot_seed, reply.slot_public_key);
}

void ClientInference::upload(int layer) {
    const ProfileSpan span(profile_, layer, Phase::kEncrypt);
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
            send_all(channel_, messages, profile_, layer);
        }
    }
    values_.release_after(layer);
}

void ClientInference::draw_share(int layer) {
    const ProfileSpan span(profile_, layer, Phase::kShare);
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
    const ProfileSpan span(profile_, layer, Phase::kDecrypt);
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
        for (std::size_t p = begin; p < end; ++p) {
            ProfileSpan wait(profile_, layer, Phase::kWaitLinear);
            slots.push_back(packing::result_slots(linear, description.output, static_cast<int>(p)));
            messages.push_back(receive_expected(channel_, MessageType::kLinearResponse, static_cast<std::uint32_t>(layer),
                                                static_cast<std::uint32_t>(p),
                                                linear_response_bytes(description.share_bits, slots.back().size())));
            wait.received(transport::frame_bytes(messages.back()));
        }
        tbb::parallel_for(std::size_t{0}, messages.size(), [&](std::size_t i) {
            std::vector<std::uint32_t> a(scheme::kDirectDegree), b(scheme::kDirectDegree), selected(slots[i].size());  // as received: public to this party
            lattice::unpack(std::span<const std::uint8_t>(messages[i].payload).first(a_bytes), a_bits, a);
            lattice::unpack(std::span<const std::uint8_t>(messages[i].payload).subspan(a_bytes), b_bits, selected);
            lattice::from_top_bits(a, a_bits);
            lattice::from_top_bits(selected, b_bits);
            for (std::size_t k = 0; k < selected.size(); ++k) b[slots[i][k].position] = selected[k];
            SecretVector<std::uint32_t> phase(scheme::kDirectDegree);
            key_->decrypt(a, b, phase);
            for (const packing::ResultSlot& slot : slots[i])
                pre_activations_[slot.element] = client_pre_activation(phase[slot.position], description.share_bits);
        });
    }
    if (probe_) probe_->pre_activation(layer, pre_activations_);
}

void ClientInference::answer_activation(int layer) {
    const ProfileSpan span(profile_, layer, Phase::kRespond);
    const model::Layer& description = model_.architecture.layers[static_cast<std::size_t>(layer)];
    const std::uint32_t modulus = model_.architecture.plain_modulus;
    const std::size_t chunks = chunk_count(description.output.size());
    const std::size_t key_bytes = scheme::slot_ciphertext_bytes(slots_);
    for (std::size_t begin = 0; begin < chunks; begin += kBatch) {
        const std::size_t end = std::min(begin + kBatch, chunks);
        std::vector<Message> keys;
        for (std::size_t chunk = begin; chunk < end; ++chunk) {
            ProfileSpan wait(profile_, layer, Phase::kWaitKeys);
            keys.push_back(receive_expected(channel_, MessageType::kActivationKeys, static_cast<std::uint32_t>(layer),
                                            static_cast<std::uint32_t>(chunk), activation_keys_bytes(slots_)));
            wait.received(transport::frame_bytes(keys.back()));
        }
        std::vector<Message> responses(keys.size());
        tbb::parallel_for(begin, end, [&](std::size_t chunk) {
            const std::size_t first = chunk * scheme::kSlotDegree;
            const std::size_t count = std::min(scheme::kSlotDegree, pre_activations_.size() - first);
            SecretVector<std::uint32_t> mask(count), addend;
            share_of_chunk(seed_, layer, chunk, modulus, mask);
            std::array<SecretVector<std::uint32_t>, kServerVectors> vectors;
            client_vectors(std::span<const std::uint32_t>(pre_activations_).subspan(first, count), mask,
                           description.share_bits, modulus, vectors, addend);
            std::array<scheme::SlotProduct, kServerVectors> products;
            for (std::uint32_t v = 0; v < kServerVectors; ++v)
                products[v] = {{static_cast<std::uint32_t>(layer), static_cast<std::uint32_t>(chunk), v},
                               std::span<const std::uint8_t>(keys[chunk - begin].payload).subspan(v * key_bytes, key_bytes),
                               vectors[v]};
            Prng rng(seed_, "client product response", {static_cast<std::uint64_t>(layer), chunk});
            responses[chunk - begin] = {MessageType::kProductResponse, static_cast<std::uint32_t>(layer),
                                        static_cast<std::uint32_t>(chunk), evaluator_->respond(products, addend, rng)};
        });
        send_all(channel_, responses, profile_, layer);
    }
}

}  // namespace flash::protocol
