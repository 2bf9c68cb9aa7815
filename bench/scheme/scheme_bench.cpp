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

}  // namespace
}  // namespace flash::scheme
