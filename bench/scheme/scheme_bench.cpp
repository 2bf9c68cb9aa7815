// The operations of both schemes, one polynomial or one response at a time on one thread.
#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "scheme/direct.h"
#include "scheme/slots.h"

namespace flash::scheme {
namespace {

Prng generator() { return Prng(SecretSeed::for_testing(1), "bench"); }

struct Direct {
    PublicPolynomials publics{Sha256{}};
    Prng rng = generator();
    DirectSecretKey key{publics, rng};
    DirectPublicKey public_key{publics, key.public_b()};
    Poly32 a = Poly32(kDirectDegree, 3), b = a, rho = a;
};

void BM_DirectEncrypt(benchmark::State& state) {
    Direct d;
    std::uint32_t index = 0;
    for (auto _ : state) d.key.encrypt({0, index++}, d.a, slot_parameters()[0].plain_modulus, d.rng, d.b);
}
void BM_DirectDecrypt(benchmark::State& state) {
    Direct d;
    for (auto _ : state) d.key.decrypt(d.a, d.b, d.rho);
}
void BM_DirectMask(benchmark::State& state) {
    Direct d;
    for (auto _ : state) d.public_key.mask(d.a, d.b, d.rho, d.rng);
}
void BM_DirectPublicPolynomial(benchmark::State& state) {
    Direct d;
    for (auto _ : state) d.publics.upload({1, 2}, d.a);
}
BENCHMARK(BM_DirectEncrypt)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_DirectDecrypt)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_DirectMask)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_DirectPublicPolynomial)->Unit(benchmark::kMicrosecond);

// The argument is the bits of the plaintext modulus.
struct Slot {
    const SlotParameters& parameters;
    Prng rng = generator();
    SlotSecretKey key{parameters, PublicSeed{}, rng};
    std::vector<std::uint32_t> values = std::vector<std::uint32_t>(kSlotDegree, 12345);
    explicit Slot(benchmark::State& state) : parameters(slot_parameters_for_bits(static_cast<int>(state.range(0)))) {}
};

void BM_SlotEncrypt(benchmark::State& state) {
    Slot s(state);
    std::uint32_t index = 0;
    std::vector<std::uint8_t> out;
    for (auto _ : state) {
        out.clear();
        s.key.encrypt({0, 0, index++}, s.values, s.rng, out);
    }
}
struct Response : Slot {
    std::array<std::vector<std::uint8_t>, 3> bytes;
    std::vector<SlotProduct> products;
    std::vector<std::uint8_t> public_key;
    explicit Response(benchmark::State& state) : Slot(state) {
        for (std::uint32_t k = 0; k < 3; ++k) key.encrypt({0, 0, k}, values, rng, bytes[k]);
        for (std::uint32_t k = 0; k < 3; ++k) products.push_back({{0, 0, k}, bytes[k], values});
        key.append_public_key(public_key);
    }
};
void BM_SlotRespond(benchmark::State& state) {
    Response s(state);
    const SlotEvaluator evaluator(s.parameters, PublicSeed{}, s.public_key);
    for (auto _ : state) benchmark::DoNotOptimize(evaluator.respond(s.products, s.values, s.rng));
}
void BM_SlotDecrypt(benchmark::State& state) {
    Response s(state);
    const SlotEvaluator evaluator(s.parameters, PublicSeed{}, s.public_key);
    const std::vector<std::uint8_t> response = evaluator.respond(s.products, s.values, s.rng);
    for (auto _ : state) s.key.decrypt(response, s.values);
}
BENCHMARK(BM_SlotEncrypt)->Arg(24)->Arg(26)->Arg(28)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_SlotRespond)->Arg(24)->Arg(26)->Arg(28)->Unit(benchmark::kMicrosecond);
BENCHMARK(BM_SlotDecrypt)->Arg(24)->Arg(26)->Arg(28)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace flash::scheme
