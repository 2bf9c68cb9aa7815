// Conversions between residue number systems, arrays of 8192 residues.
#include "lattice/base_conversion.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <functional>
#include <string>

#include "base/aligned.h"

namespace flash::lattice {
namespace {

constexpr std::size_t kCount = 8192;

/// The moduli of three values of 24 bits and of Delta: 24 + 48 + 45 + 44 + 44 bits.
struct Arrays {
    std::vector<Modulus> groups, delta, answer;
    BaseConversion plain, high;
    Rescaling sent;
    LinearSum lift, down, rescaled;
    std::vector<AlignedVector<std::uint64_t>> x;
    AlignedVector<std::uint64_t> out;

    static std::vector<Modulus> primes(const std::vector<int>& sizes) {
        std::vector<Modulus> result;
        std::uint64_t above = 0;
        for (int bits : sizes) {
            above = std::min(above ? above : ~std::uint64_t{0}, std::uint64_t{1} << bits);
            result.emplace_back(largest_prime_below(above, 2 * kCount));
            above = result.back().value();
        }
        return result;
    }
    static std::vector<Modulus> pairs() {
        const std::vector<Modulus> t = primes({24, 24, 24});
        return {t[0], Modulus::product(t[1], t[2])};
    }

    explicit Arrays(InstructionSet set)
        : groups(pairs()),
          delta(primes({45, 44, 44})),
          answer(primes({28, 27})),
          plain(groups, set),
          high(delta, set),
          sent(groups, delta, answer, set),
          lift(plain.to(delta[0])),
          down(high.to(groups[1])),
          rescaled(sent.to(0)),
          x(4, AlignedVector<std::uint64_t>(kCount, 1234567)),
          out(kCount) {}
    std::vector<Residues> first(std::size_t count) const {
        return {x.begin(), x.begin() + static_cast<std::ptrdiff_t>(count)};
    }
};

const bool registered = [] {
    const auto add = [](const std::string& name, const std::function<void(Arrays&)>& operation) {
        for (InstructionSet set : supported_instruction_sets())
            if (set != InstructionSet::kAmx)  // no sibling
                benchmark::RegisterBenchmark(("BaseConversion/" + name + "/" + std::string(to_string(set))).c_str(),
                                             [=](benchmark::State& state) {
                                                 Arrays arrays(set);
                                                 for (auto _ : state) {
                                                     operation(arrays);
                                                     benchmark::ClobberMemory();
                                                 }
                                             });
    };
    add("quotient_of_3", [](Arrays& a) { a.high.quotient(a.first(3), a.out); });
    add("plaintext_to_45bit", [](Arrays& a) { a.lift(a.first(3), a.out); });
    add("delta_to_48bit", [](Arrays& a) { a.down(a.first(4), a.out); });
    add("rescaling_to_28bit", [](Arrays& a) { a.rescaled(a.first(4), a.out); });
    return true;
}();

}  // namespace
}  // namespace flash::lattice
