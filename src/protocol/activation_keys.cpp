#include "protocol/activation_keys.h"

#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>

#include "protocol/activation_shares.h"
#include "protocol/messages.h"

namespace flash::protocol {

namespace {
// Chunks encrypted in parallel before they are sent in order.
constexpr std::size_t kBatch = 8;
}  // namespace

void result_mask(const StreamKey& masks, int layer, int polynomial, std::span<std::uint32_t> rho) {
    masks.stream(static_cast<std::uint64_t>(layer), static_cast<std::uint64_t>(polynomial)).fill_u32(rho);
}

void store_server_shares(std::span<const packing::ResultRun> runs, std::span<const std::uint32_t> rho, int share_bits,
                         std::span<std::uint32_t> shares) {
    const std::uint32_t* from = rho.data();
    for (std::size_t r = 0; r < runs.size();) {
        // The rows of a channel follow each other: one piece.
        std::uint32_t* to = shares.data() + runs[r].element;
        std::uint32_t count = 0;
        for (const std::uint32_t first = runs[r].element; r < runs.size() && runs[r].element == first + count; ++r)
            count += runs[r].count;
        for (std::uint32_t i = 0; i < count; ++i) to[i] = server_pre_activation(from[i], share_bits);
        from += count;
    }
}

void expand_channels(std::span<const std::int32_t> per_channel, const model::Shape& shape, std::size_t first,
                     std::span<std::int32_t> out) {
    const std::size_t map = static_cast<std::size_t>(shape.height) * static_cast<std::size_t>(shape.width);
    for (std::size_t i = 0; i < out.size();) {
        const std::size_t channel = (first + i) / map, end = std::min(out.size(), (channel + 1) * map - first);
        std::fill(out.begin() + static_cast<std::ptrdiff_t>(i), out.begin() + static_cast<std::ptrdiff_t>(end),
                  per_channel[channel]);
        i = end;
    }
}

ActivationKeyProducer::ActivationKeyProducer(const PreparedModel& model, transport::Channel& channel,
                                             const SecretSeed& seed, scheme::SlotSecretKey& key,
                                             const scheme::SlotParameters& slots, Profile* profile)
    : model_(model),
      channel_(channel),
      key_(key),
      slots_(slots),
      profile_(profile),
      masks_(seed, kResultMaskDomain),
      encryption_(seed, "server slot encryption"),
      chunk_bytes_(transport::kFrameHeaderBytes + activation_keys_bytes(slots)),
      thread_(channel, "internal error of the server", kAheadBytes, [this](AheadWindow& window) { run(window); }) {}

void ActivationKeyProducer::run(AheadWindow& window) {
    // What the client is waiting for comes first: cores help here only when they have nothing else to do.
    tbb::task_arena arena(tbb::task_arena::automatic, 1, tbb::task_arena::priority::low);
    const int layers = static_cast<int>(model_.architecture().layers.size());
    arena.execute([&] {
        for (int l = 0; l < layers; ++l)
            if (model_.architecture().layers[static_cast<std::size_t>(l)].activation && !run_layer(l, window)) return;
    });
}

SecretVector<std::uint32_t> ActivationKeyProducer::shares_of_layer(int layer) const {
    const model::Layer& description = model_.architecture().layers[static_cast<std::size_t>(layer)];
    const packing::LinearPlan& linear = model_.plan().layers[static_cast<std::size_t>(layer)];
    SecretVector<std::uint32_t> shares(static_cast<std::size_t>(description.output.size()));
    tbb::parallel_for(tbb::blocked_range<int>(0, linear.polynomials(), 8), [&](const auto& range) {
        for (int p = range.begin(); p < range.end(); ++p) {
            SecretBuffer<std::uint32_t> rho(packing::result_count(linear, description.output, p));
            result_mask(masks_, layer, p, rho);
            store_server_shares(packing::result_runs(linear, description.output, p), rho, description.share_bits,
                                shares);
        }
    });
    return shares;
}

bool ActivationKeyProducer::run_layer(int layer, AheadWindow& window) {
    const SecretVector<std::uint32_t> shares = shares_of_layer(layer);
    const std::size_t chunks = chunk_count(static_cast<std::int64_t>(shares.size()));
    for (std::size_t begin = 0; begin < chunks; begin += kBatch) {
        const std::size_t end = std::min(begin + kBatch, chunks);
        std::vector<transport::Message> messages(end - begin);
        tbb::parallel_for(begin, end,
                          [&](std::size_t chunk) { messages[chunk - begin] = encrypt_chunk(layer, chunk, shares); });
        ProfileSpan span(profile_, layer, Phase::kSend);
        for (transport::Message& message : messages) {
            if (!window.acquire(chunk_bytes_)) return false;
            span.sent(chunk_bytes_);
            channel_.send(std::move(message));
        }
    }
    return true;
}

transport::Message ActivationKeyProducer::encrypt_chunk(int layer, std::size_t chunk,
                                                        std::span<const std::uint32_t> shares) {
    ProfileSpan span(profile_, layer, Phase::kActivationKeys);
    const model::Layer& description = model_.architecture().layers[static_cast<std::size_t>(layer)];
    const std::vector<std::int32_t>& kappa = model_.layer(layer).kappa;
    const std::size_t first = chunk * scheme::kSlotDegree, count = std::min(scheme::kSlotDegree, shares.size() - first);
    SecretBuffer<std::int32_t> expanded(count);
    expand_channels(kappa, description.output, first, expanded);
    std::array<SecretVector<std::uint32_t>, kServerVectors> vectors;
    server_vectors(shares.subspan(first, count), expanded, description.share_bits,
                   model_.architecture().single_modulus(), vectors);
    Prng rng = encryption_.stream(static_cast<std::uint64_t>(layer), chunk);
    transport::Message message{transport::MessageType::kActivationKeys,
                               static_cast<std::uint32_t>(layer),
                               static_cast<std::uint32_t>(chunk),
                               {}};
    message.payload.reserve(activation_keys_bytes(slots_));
    for (std::uint32_t v = 0; v < kServerVectors; ++v)
        key_.encrypt({message.layer, message.index, v}, vectors[v], rng, message.payload);
    return message;
}

}  // namespace flash::protocol
