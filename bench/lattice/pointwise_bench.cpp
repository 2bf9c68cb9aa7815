// Whole arrays of 4096 residues mod a prime below 2^50.
#include <benchmark/benchmark.h>

#include <functional>
#include <string>

#include "base/aligned.h"
#include "lattice/pointwise.h"

namespace flash::lattice {
namespace {

struct Arrays {
    Pointwise arithmetic;
    AlignedVector<std::uint64_t> x, w, quotients, out, out_of_others;
    std::vector<std::span<const std::uint64_t>> left, right;

    explicit Arrays(InstructionSet set)
        : arithmetic(Modulus(largest_prime_below(1ull << 50, 8192)), set),
          x(4096, 123456789),
          w(4096, 987654321),
          quotients(4096),
          out(4096),
          out_of_others(4096) {
        arithmetic.quotients(w, quotients);
        left.assign(3, x);
        right.assign(3, w);
    }
};

const bool registered = [] {
    const auto add = [](const std::string& name, const std::function<void(Arrays&)>& operation) {
        for (InstructionSet set : supported_instruction_sets())
            if (set != InstructionSet::kAmx)  // no sibling
                benchmark::RegisterBenchmark(("Pointwise/" + name + "/" + std::string(to_string(set))).c_str(),
                                             [=](benchmark::State& state) {
                                                 Arrays arrays(set);
                                                 for (auto _ : state) {
                                                     operation(arrays);
                                                     benchmark::ClobberMemory();
                                                 }
                                             });
    };
    add("quotients", [](Arrays& a) { a.arithmetic.quotients(a.w, a.quotients); });
    add("multiply", [](Arrays& a) { a.arithmetic.multiply(a.x, a.w, a.quotients, a.out); });
    add("pair_of_three_products",
        [](Arrays& a) { a.arithmetic.product_pair(a.left, a.left, a.right, a.out, a.out_of_others); });
    return true;
}();

}  // namespace
}  // namespace flash::lattice
