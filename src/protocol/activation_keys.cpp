#include "protocol/activation_keys.h"

#include <tbb/parallel_for.h>

#include <algorithm>

#include "protocol/activation_shares.h"
#include "protocol/messages.h"

namespace flash::protocol {

namespace {
// Chunks encrypted in parallel before they are sent in order.
constexpr std::size_t kBatch = 8;
}  // namespace

void result_mask(const SecretSeed& seed, int layer, int polynomial, std::span<std::uint32_t> rho) {
    Prng rng(seed, "server result mask", {static_cast<std::uint64_t>(layer), static_cast<std::uint64_t>(polynomial)});
    rng.fill_u32(rho);
}

SecretVector<std::uint32_t> masked_pre_activations(const PreparedModel& model, const SecretSeed& seed, int layer) {
    const model::Layer& description = model.architecture().layers[static_cast<std::size_t>(layer)];
    const packing::LinearPlan& linear = model.plan().layers[static_cast<std::size_t>(layer)];
    SecretVector<std::uint32_t> shares(static_cast<std::size_t>(description.output.size()));
    tbb::parallel_for(0, linear.polynomials(), [&](int p) {
        SecretVector<std::uint32_t> rho(scheme::kDirectDegree);
        result_mask(seed, layer, p, rho);
        for (const packing::ResultSlot& slot : packing::result_slots(linear, description.output, p))
            shares[slot.element] = server_pre_activation(rho[slot.position], description.share_bits);
    });
    return shares;
}

void expand_channels(std::span<const std::int32_t> per_channel, const model::Shape& shape, std::size_t first,
                     std::span<std::int32_t> out) {
    const std::size_t map = static_cast<std::size_t>(shape.height) * static_cast<std::size_t>(shape.width);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = per_channel[(first + i) / map];
}

ActivationKeyProducer::ActivationKeyProducer(const PreparedModel& model, transport::Channel& channel, const SecretSeed& seed,
                                             scheme::SlotSecretKey& key, const scheme::SlotParameters& slots, Profile* profile)
    : model_(model),
      channel_(channel),
      seed_(seed),
      key_(key),
      slots_(slots),
      profile_(profile),
      chunk_bytes_(transport::kFrameHeaderBytes + activation_keys_bytes(slots)),
      window_(kAheadBytes),
      thread_([this] { run(); }) {}

ActivationKeyProducer::~ActivationKeyProducer() {
    window_.cancel();
    thread_.join();
}

void ActivationKeyProducer::answered() { window_.release(chunk_bytes_); }

std::exception_ptr ActivationKeyProducer::failure() {
    const std::lock_guard lock(mutex_);
    return failure_;
}

void ActivationKeyProducer::run() {
    try {
        const int layers = static_cast<int>(model_.architecture().layers.size());
        for (int l = 0; l < layers; ++l)
            if (model_.architecture().layers[static_cast<std::size_t>(l)].activation) run_layer(l);
    } catch (...) {
        {
            const std::lock_guard lock(mutex_);
            failure_ = std::current_exception();
        }
        // Wakes the thread that waits for the client's answer to what will never be sent.
        channel_.fail("internal error of the server");
    }
}

void ActivationKeyProducer::run_layer(int layer) {
    const ProfileSpan span(profile_, layer, Phase::kActivationKeys);
    const model::Layer& description = model_.architecture().layers[static_cast<std::size_t>(layer)];
    const std::vector<std::int32_t>& kappa = model_.model().weights.layers[static_cast<std::size_t>(layer)].kappa;
    const SecretVector<std::uint32_t> shares = masked_pre_activations(model_, seed_, layer);
    const std::size_t chunks = chunk_count(description.output.size());
    for (std::size_t begin = 0; begin < chunks; begin += kBatch) {
        const std::size_t end = std::min(begin + kBatch, chunks);
        std::vector<transport::Message> messages(end - begin);
        tbb::parallel_for(begin, end, [&](std::size_t chunk) {
            const std::size_t first = chunk * scheme::kSlotDegree;
            const std::size_t count = std::min(scheme::kSlotDegree, shares.size() - first);
            SecretVector<std::int32_t> expanded(count);
            expand_channels(kappa, description.output, first, expanded);
            std::array<SecretVector<std::uint32_t>, kServerVectors> vectors;
            server_vectors(std::span<const std::uint32_t>(shares).subspan(first, count), expanded, description.share_bits,
                           model_.architecture().plain_modulus, vectors);
            Prng rng(seed_, "server slot encryption", {static_cast<std::uint64_t>(layer), chunk});
            transport::Message& message = messages[chunk - begin];
            message.type = transport::MessageType::kActivationKeys;
            message.layer = static_cast<std::uint32_t>(layer);
            message.index = static_cast<std::uint32_t>(chunk);
            message.payload.reserve(activation_keys_bytes(slots_));
            for (std::uint32_t v = 0; v < kServerVectors; ++v)
                key_.encrypt({message.layer, message.index, v}, vectors[v], rng, message.payload);
        });
        ProfileSpan sending(profile_, layer, Phase::kSend);
        for (transport::Message& message : messages) {
            if (!window_.acquire(chunk_bytes_)) return;
            sending.sent(chunk_bytes_);
            channel_.send(std::move(message));
        }
    }
}

}  // namespace flash::protocol
