// The activations' cryptography for one chunk of values, on one thread, in every shape of slots: ns a value of each
// step, the fastest run.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>

#include "scheme/composite.h"

namespace flash::scheme {
namespace {

/// The four steps of a chunk with three products, each after the one before.
struct Chunk {
    Prng rng{SecretSeed::for_testing(1), "bench"};
    std::uint32_t number = 0;
    virtual ~Chunk() = default;
    virtual std::size_t values() const = 0;
    virtual void encrypt() = 0;
    virtual void prepare() = 0;
    virtual void answer() = 0;
    virtual void decrypt() = 0;
};

struct CompositeChunk : Chunk {
    std::shared_ptr<const CompositeRing> ring;
    CompositeSeeds seeds{};
    CompositeSecretKey key;
    std::unique_ptr<CompositeEvaluator> evaluator;
    std::vector<std::uint32_t> plain, share;
    std::vector<std::vector<std::uint8_t>> ciphertexts{3};
    std::vector<std::uint8_t> sent;
    PreparedAnswer prepared;

    // A network of a million coefficients, or half of one where there is no more room.
    explicit CompositeChunk(const CompositeShape& shape)
        : ring(CompositeRing::of(choose_composite_parameters(shape, 24, 3, shape.degree == 4096 ? 1 << 19 : 1 << 20))),
          key(ring, seeds, rng),
          plain(ring->values(), 123456),
          share(ring->values()) {
        std::vector<std::uint8_t> public_key;
        key.append_public_key(public_key);
        evaluator = std::make_unique<CompositeEvaluator>(ring, seeds, public_key);
    }
    std::size_t values() const override { return ring->values(); }
    void encrypt() override {
        ++number;
        for (std::uint32_t k = 0; k < 3; ++k) {
            ciphertexts[k].clear();
            key.encrypt({number, k}, plain, rng, ciphertexts[k]);
        }
    }
    void prepare() override {
        const CompositeVectorId ids[] = {{number, 0}, {number, 1}, {number, 2}};
        prepared = evaluator->prepare(ids, rng);
    }
    void answer() override {
        const CompositeFactor factors[] = {{ciphertexts[0], plain}, {ciphertexts[1], plain}, {ciphertexts[2], plain}};
        sent = evaluator->answer(std::move(prepared), factors, share);
    }
    void decrypt() override { key.decrypt(sent, share); }
};

void run(benchmark::State& state, Chunk& chunk) {
    using Clock = std::chrono::steady_clock;
    const char* names[] = {"encrypt", "prepare", "answer", "decrypt"};
    void (Chunk::*const steps[])() = {&Chunk::encrypt, &Chunk::prepare, &Chunk::answer, &Chunk::decrypt};
    double best[4] = {1, 1, 1, 1};
    for (auto _ : state) {
        double sum = 0;
        for (std::size_t i = 0; i < 4; ++i) {
            const auto begin = Clock::now();
            (chunk.*steps[i])();
            const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
            best[i] = std::min(best[i], seconds);
            sum += seconds;
        }
        state.SetIterationTime(sum);
    }
    const double scale = 1e9 / static_cast<double>(chunk.values());
    for (std::size_t i = 0; i < 4; ++i) state.counters[names[i]] = best[i] * scale;
    state.counters["client"] = (best[1] + best[2]) * scale;
    state.counters["server"] = (best[0] + best[3]) * scale;
    state.counters["both"] = (best[0] + best[1] + best[2] + best[3]) * scale;
}

void BM_ActivationComposite(benchmark::State& state) {
    CompositeChunk chunk({static_cast<std::size_t>(state.range(0)), static_cast<int>(state.range(1))});
    run(state, chunk);
}
BENCHMARK(BM_ActivationComposite)
    ->Apply([](benchmark::internal::Benchmark* rows) {
        for (const CompositeShape& shape : kCompositeShapes)
            rows->Args({static_cast<std::int64_t>(shape.degree), shape.residues});
    })
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace flash::scheme
