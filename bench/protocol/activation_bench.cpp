// The whole activation of one full chunk on one core, through the interfaces of protocol/activation/: the server's
// vectors, the answer (what can be prepared ahead, and the rest), the end at the server. Rows Activation/<n>x<k>/<bits
// of T>/<part>/<instruction set>; ns_per_value is the fastest of all runs, bytes_per_value what both parties send.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>

#include "protocol/activation/composite/composite_activation.h"

namespace flash::protocol {
namespace {

constexpr int kShareBits = 10, kChannels = 256;

/// Many chunks of one layer.
model::Architecture architecture(int plain_bits, model::SlotChoice slots) {
    model::Architecture out;
    out.slots = slots;
    out.plain_bits = plain_bits;
    out.layers.resize(1);
    out.layers[0].output = {kChannels, 64, 64};
    out.layers[0].share_bits = kShareBits;
    out.layers[0].activation = true;
    return out;
}

/// Both parties, chunk after chunk.
class Chunks {
public:
    explicit Chunks(std::unique_ptr<const Activation> activation)
        : activation_(std::move(activation)),
          shares_(static_cast<std::size_t>(architecture(24, {}).layers[0].output.size()), 345),
          client_result_(shares_.size()),
          result_(shares_.size()) {
        begin();
    }

    /// Vectors of a chunk are made once: when all are used up, new parties begin.
    void renew() {
        if (chunk_ + 2 >= activation_->chunks(0)) begin();  // the last one is not full
    }

    void make_vectors() {
        ++chunk_;
        vectors_ = server_->make_vectors(chunk_, [&](int) { return std::span<const std::uint32_t>(shares_); });
    }
    void prepare() { prepared_ = client_->prepare(0, chunk_); }
    /// Consumes what prepare() made.
    void answer() { answer_ = client_->answer(0, chunk_, std::move(prepared_), vectors_, shares_, client_result_); }
    void finish() { server_->finish(0, chunk_, answer_, shares_, result_); }
    void all() {
        make_vectors();
        prepare();
        answer();
        finish();
    }
    std::size_t bytes() const { return vectors_.size() + answer_.size(); }
    double values() const { return static_cast<double>(activation_->sizes().values_per_chunk); }

private:
    void begin() {
        client_ = activation_->client(SecretSeed::for_testing(2));
        server_ = activation_->server(curves_, client_->start(), SecretSeed::for_testing(1));
        client_->begin(server_->setup());
        chunk_ = 0;
        all();
    }

    const std::unique_ptr<const Activation> activation_;
    const std::vector<ActivationCurve> curves_{
        {std::vector<std::int32_t>(kChannels, -77), std::vector<std::int32_t>(kChannels, 99)}};
    std::unique_ptr<ActivationServer> server_;
    std::unique_ptr<ActivationClient> client_;
    std::size_t chunk_ = 0;
    std::vector<std::uint32_t> shares_;
    std::vector<std::uint8_t> vectors_, answer_;
    std::unique_ptr<PreparedAnswer> prepared_;
    SecretVector<std::uint32_t> client_result_, result_;
};

const bool registered = [] {
    using Maker = std::function<std::unique_ptr<const Activation>()>;
    const auto add = [](const std::string& row, const Maker& make, InstructionSet set, const std::string& part,
                        void (*timed)(Chunks&), void (*before)(Chunks&)) {
        const std::string name = "Activation/" + row + "/" + part + "/" + std::string(to_string(set));
        benchmark::RegisterBenchmark(
            name.c_str(),
            [=](benchmark::State& state) {
                Chunks chunks(make());
                double best = 1;
                for (auto _ : state) {
                    chunks.renew();
                    before(chunks);
                    const auto begin = std::chrono::steady_clock::now();
                    timed(chunks);
                    const double seconds =
                        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
                    state.SetIterationTime(seconds);
                    best = std::min(best, seconds);
                }
                state.counters["ns_per_value"] = best * 1e9 / chunks.values();
                state.counters["bytes_per_value"] = static_cast<double>(chunks.bytes()) / chunks.values();
            })
            ->UseManualTime()
            ->Unit(benchmark::kMicrosecond);
    };
    const auto nothing = [](Chunks&) {};
    const auto add_all = [&](const std::string& row, const Maker& make, InstructionSet set) {
        add(
            row, make, set, "both", [](Chunks& a) { a.all(); }, nothing);
        add(
            row, make, set, "server_encrypt", [](Chunks& a) { a.make_vectors(); }, nothing);
        add(
            row, make, set, "server_decrypt", [](Chunks& a) { a.finish(); },
            [](Chunks& a) {
                a.make_vectors();
                a.prepare();
                a.answer();
            });
        add(
            row, make, set, "client_prepare", [](Chunks& a) { a.prepare(); }, [](Chunks& a) { a.make_vectors(); });
        add(
            row, make, set, "client_respond", [](Chunks& a) { a.answer(); },
            [](Chunks& a) {
                a.make_vectors();
                a.prepare();
            });
    };
    for (InstructionSet set : supported_instruction_sets()) {
        if (set == InstructionSet::kAmx) continue;  // no sibling
        for (const scheme::CompositeShape& shape : scheme::kCompositeShapes) {
            const model::SlotChoice slots{static_cast<int>(shape.degree), shape.residues};
            add_all(
                std::to_string(slots.degree) + "x" + std::to_string(slots.moduli) + "/24",
                [=] { return std::make_unique<CompositeActivation>(architecture(24, slots), set); }, set);
        }
    }
    return true;
}();

}  // namespace
}  // namespace flash::protocol
