#include "protocol/activation/clear_activation.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "base/bytes.h"
#include "base/random.h"
#include "lattice/sampling.h"
#include "model/arithmetic.h"
#include "protocol/linear/pre_activation.h"

namespace flash::testing {

namespace {

using protocol::ActivationCurve;

constexpr std::uint32_t kStart = 0x55667788, kHello = 0x11223344;
constexpr int kVectors = 2;  // U_s and kappa of each slot

std::vector<ClearActivation::Layer> slots_of(const model::Architecture& architecture) {
    std::vector<ClearActivation::Layer> layers;
    std::size_t slot = 0;
    for (const model::Layer& layer : architecture.layers) {
        ClearActivation::Layer l;
        l.first_slot = slot;
        l.values = layer.activation ? static_cast<std::size_t>(layer.output.size()) : 0;
        l.map = static_cast<std::size_t>(layer.output.height) * static_cast<std::size_t>(layer.output.width);
        l.share_bits = layer.share_bits;
        slot += l.values;
        layers.push_back(l);
    }
    return layers;
}

std::vector<std::uint8_t> bytes_of(std::span<const std::uint32_t> words) {
    ByteWriter writer;
    for (const std::uint32_t word : words) writer.u32(word);
    return writer.take();
}

std::vector<std::uint32_t> words_of(std::span<const std::uint8_t> bytes, std::size_t count, const char* what) {
    ByteReader reader(bytes, what);
    std::vector<std::uint32_t> words(count);
    for (std::uint32_t& word : words) word = reader.u32();
    reader.end();
    return words;
}

class Server : public protocol::ActivationServer {
public:
    Server(const ClearActivation& activation, std::span<const ActivationCurve> curves)
        : activation_(activation),
          curves_(curves) {}

    std::vector<std::uint8_t> setup() const override { return bytes_of({{kHello}}); }

    std::vector<std::uint8_t> make_vectors(std::size_t number, const LayerShares& shares) override {
        {
            const std::lock_guard lock(mutex_);
            require(made_.insert(number).second, ErrorKind::kInternal, "vectors were made twice");
        }
        const std::size_t slots = activation_.sizes().values_per_chunk;
        std::vector<std::uint32_t> out(kVectors * slots);
        for (int l = 0; l < activation_.layers(); ++l) {
            const ClearActivation::Layer& layer = activation_.layer(l);
            const std::size_t begin = std::max(layer.first_slot, number * slots),
                              end = std::min(layer.first_slot + layer.values, (number + 1) * slots);
            for (std::size_t slot = begin; slot < end; ++slot) {
                const std::size_t value = slot - layer.first_slot, at = slot - number * slots;
                out[at] = shares(l)[value];
                out[slots + at] =
                    static_cast<std::uint32_t>(curves_[static_cast<std::size_t>(l)].kappa[value / layer.map]);
            }
        }
        return bytes_of(out);
    }

    void finish(int layer, std::size_t chunk, std::span<const std::uint8_t> answer, std::span<const std::uint32_t>,
                std::span<std::uint32_t> share) const override {
        const auto sent = words_of(answer, activation_.sizes().values_per_chunk, "answer");
        const std::size_t first = activation_.first_value(layer, chunk);
        for (std::size_t i = 0; i < activation_.values_in(layer, chunk); ++i) {
            const std::int64_t offset =
                curves_[static_cast<std::size_t>(layer)].offset[(first + i) / activation_.layer(layer).map];
            const std::int64_t modulus = activation_.modulus(layer, first + i);
            share[first + i] = static_cast<std::uint32_t>((sent[i] + offset + modulus) % modulus);
        }
    }

private:
    const ClearActivation& activation_;
    const std::span<const ActivationCurve> curves_;
    std::mutex mutex_;
    std::set<std::size_t> made_;
};

class Client : public protocol::ActivationClient {
public:
    Client(const ClearActivation& activation, const SecretSeed& seed)
        : activation_(activation),
          shares_(seed, "clear share") {}

    std::vector<std::uint8_t> start() const override { return bytes_of({{kStart}}); }
    void begin(std::span<const std::uint8_t> setup) override {
        require(words_of(setup, 1, "set-up")[0] == kHello, ErrorKind::kProtocol, "no set-up");
    }
    std::unique_ptr<protocol::PreparedAnswer> prepare(int layer, std::size_t chunk) const override {
        return std::make_unique<Prepared>(layer, chunk);
    }
    std::vector<std::uint8_t> answer(int layer, std::size_t chunk, std::unique_ptr<protocol::PreparedAnswer> prepared,
                                     std::span<const std::uint8_t> vectors,
                                     std::span<const std::uint32_t> pre_activations,
                                     std::span<std::uint32_t> share) const override {
        const auto& made = dynamic_cast<const Prepared&>(*prepared);
        require(made.layer == layer && made.chunk == chunk, ErrorKind::kInternal, "prepared for another chunk");
        const std::size_t slots = activation_.sizes().values_per_chunk, first = activation_.first_value(layer, chunk),
                          count = activation_.values_in(layer, chunk);
        const auto received = words_of(vectors, kVectors * slots, "server vectors");
        const ClearActivation::Layer& description = activation_.layer(layer);
        Prng rng = shares_.stream(static_cast<std::uint64_t>(layer), chunk);
        std::vector<std::uint32_t> out(slots);
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t at = (description.first_slot + first + i) % slots;
            const std::int64_t x =
                protocol::reconstruct(pre_activations[first + i], received[at], description.share_bits);
            const std::int64_t y = model::activate(x, static_cast<std::int32_t>(received[slots + at]), 0),
                               modulus = activation_.modulus(layer, first + i);
            // As a share that comes out of the answers does, it depends on the response that it answers.
            share[first + i] = static_cast<std::uint32_t>((rng.u32() + std::uint64_t{pre_activations[first + i]}) %
                                                          static_cast<std::uint64_t>(modulus));
            out[i] = static_cast<std::uint32_t>((((y - share[first + i]) % modulus) + modulus) % modulus);
        }
        return bytes_of(out);
    }

private:
    struct Prepared : protocol::PreparedAnswer {
        Prepared(int the_layer, std::size_t the_chunk) : layer(the_layer), chunk(the_chunk) {}
        const int layer;
        const std::size_t chunk;
    };

    const ClearActivation& activation_;
    const StreamKey shares_;
};

}  // namespace

ClearActivation::ClearActivation(const model::Architecture& architecture, std::size_t values_per_chunk)
    : ClearActivation(architecture, values_per_chunk, slots_of(architecture)) {}

ClearActivation::ClearActivation(const model::Architecture& architecture, std::size_t values_per_chunk,
                                 std::vector<Layer> layers)
    : Activation({.start = 4,
                  .setup = 4,
                  .vectors = kVectors * 4 * values_per_chunk,
                  .answer = 4 * values_per_chunk,
                  .prepared = 32,
                  .values_per_chunk = values_per_chunk,
                  .products = kVectors},
                 [&] {
                     std::vector<LayerChunks> chunks;
                     for (const Layer& layer : layers) {
                         LayerChunks c;
                         const std::size_t end = layer.first_slot + layer.values;
                         c.vectors_end = (end + values_per_chunk - 1) / values_per_chunk;
                         c.first_vectors = layer.values ? layer.first_slot / values_per_chunk : c.vectors_end;
                         c.chunks = c.vectors_end - c.first_vectors;
                         chunks.push_back(c);
                     }
                     return chunks;
                 }()),
      architecture_(architecture),
      layers_(std::move(layers)) {}

std::size_t ClearActivation::first_value(int index, std::size_t chunk) const {
    const std::size_t slot = (first_vectors(index) + chunk) * sizes().values_per_chunk;
    return slot - std::min(slot, layer(index).first_slot);
}

std::size_t ClearActivation::values_in(int index, std::size_t chunk) const {
    const std::size_t end = (first_vectors(index) + chunk + 1) * sizes().values_per_chunk - layer(index).first_slot;
    return std::min(end, layer(index).values) - first_value(index, chunk);
}

protocol::ChunkPart ClearActivation::part_at(int index, std::size_t element) const {
    const std::size_t chunk = (layer(index).first_slot + element) / sizes().values_per_chunk - first_vectors(index);
    return {chunk, first_value(index, chunk) + values_in(index, chunk) - element};
}

std::unique_ptr<protocol::ActivationServer> ClearActivation::server(std::span<const ActivationCurve> curves,
                                                                    std::span<const std::uint8_t> start,
                                                                    const SecretSeed&) const {
    require(words_of(start, 1, "start")[0] == kStart, ErrorKind::kProtocol, "no start");
    return std::make_unique<Server>(*this, curves);
}

std::unique_ptr<protocol::ActivationClient> ClearActivation::client(const SecretSeed& seed) const {
    return std::make_unique<Client>(*this, seed);
}

}  // namespace flash::testing
