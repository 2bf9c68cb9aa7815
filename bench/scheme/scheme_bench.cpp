// The operations of the linear layers' scheme, one polynomial or one response at a time on one thread.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <vector>

#include "scheme/direct.h"

namespace flash::scheme {
namespace {

Prng generator() { return Prng(SecretSeed::for_testing(1), "bench"); }

struct Direct {
    const DirectRing ring;
    PublicPolynomials publics{Sha256{}};
    PublicTransforms transforms{publics, std::size_t{1} << 24};
    Prng rng = generator();
    DirectPublicKey public_key{publics, ring, DirectSecretKey(publics, ring, rng).public_b()};
    std::unique_ptr<DirectSecretKey> key;
    std::uint32_t index = kPolynomials;
    std::vector<std::uint16_t> positions;
    Poly32 a = Poly32(ring.degree, 32), plain = a, b = a;
    std::vector<std::uint32_t> some_b, some_rho;

    // About as many results as a dense layer packs into one polynomial.
    explicit Direct(const benchmark::State& state) : ring(direct_ring(static_cast<std::size_t>(state.range(0)))) {
        for (std::uint16_t i = 0; i < ring.degree; i = static_cast<std::uint16_t>(i + 2)) positions.push_back(i);
        some_b.resize(positions.size());
        some_rho.resize(positions.size());
    }
    // A key encrypts a polynomial once only: a new key for every round through the polynomials of a model.
    void next_key(bool keep_transforms) {
        if (index < kPolynomials) return;
        index = 0;
        key = std::make_unique<DirectSecretKey>(publics, ring, rng, keep_transforms ? &transforms : nullptr);
    }
    static constexpr std::uint32_t kPolynomials = 256;
};

/// Runs prepare untimed and operation timed; min_us is the fastest single run.
template <class Prepare, class Operation>
void fastest(benchmark::State& state, const Prepare& prepare, const Operation& operation) {
    using Clock = std::chrono::steady_clock;
    double best = 1;
    for (auto _ : state) {
        prepare();
        const auto begin = Clock::now();
        operation();
        const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
        best = std::min(best, seconds);
        state.SetIterationTime(seconds);
    }
    state.counters["min_us"] = best * 1e6;
}

void encrypt(benchmark::State& state, bool keep_transforms) {
    Direct d(state);
    fastest(
        state, [&] { d.next_key(keep_transforms); },
        [&] {
            d.key->encrypt({0, d.index++}, LevelledShare{0, d.plain}, d.rng, d.b);
        });
}
void BM_DirectEncrypt(benchmark::State& state) { encrypt(state, false); }
void BM_DirectEncryptKeptTransforms(benchmark::State& state) { encrypt(state, true); }
void BM_DirectDecrypt(benchmark::State& state) {
    Direct d(state);
    d.next_key(false);
    fastest(
        state, [] {}, [&] { d.key->decrypt(d.a, d.positions, d.some_b, d.some_rho); });
}
// What the client computes for one ciphertext of a linear layer, up and down.
void BM_DirectClientEncryptAndDecrypt(benchmark::State& state) {
    Direct d(state);
    fastest(
        state, [&] { d.next_key(true); },
        [&] {
            d.key->encrypt({0, d.index++}, LevelledShare{0, d.plain}, d.rng, d.b);
            d.key->decrypt(d.a, d.positions, d.some_b, d.some_rho);
        });
}
// What the server adds to one response; the second with the drawing of its rho.
void BM_DirectMask(benchmark::State& state) {
    Direct d(state);
    fastest(
        state, [] {}, [&] { d.public_key.mask(d.a, d.positions, d.some_b, d.some_rho, d.rng); });
}
void BM_DirectMaskWithRho(benchmark::State& state) {
    Direct d(state);
    const StreamKey masks(SecretSeed::for_testing(2), "bench");
    std::uint64_t index = 0;
    fastest(
        state, [] {},
        [&] {
            masks.stream(index++).fill_u32(d.some_rho);
            d.public_key.mask(d.a, d.positions, d.some_b, d.some_rho, d.rng);
        });
}
void BM_DirectPublicPolynomial(benchmark::State& state) {
    Direct d(state);
    fastest(
        state, [] {},
        [&] {
            d.publics.upload({1, 2}, d.a);
        });
}
void BM_DirectKey(benchmark::State& state) {
    Direct d(state);
    fastest(
        state, [] {}, [&] { DirectSecretKey(d.publics, d.ring, d.rng); });
}
BENCHMARK(BM_DirectEncrypt)->Arg(2048)->Arg(1024)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_DirectEncryptKeptTransforms)->Arg(2048)->Arg(1024)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_DirectDecrypt)->Arg(2048)->Arg(1024)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_DirectClientEncryptAndDecrypt)->Arg(2048)->Arg(1024)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_DirectMask)->Arg(2048)->Arg(1024)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_DirectMaskWithRho)->Arg(2048)->Arg(1024)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_DirectPublicPolynomial)->Arg(2048)->Arg(1024)->UseManualTime()->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_DirectKey)->Arg(2048)->Arg(1024)->UseManualTime()->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace flash::scheme
