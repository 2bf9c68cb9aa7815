#include "lattice/ntt.h"

#include <bit>

#include "base/error.h"
#include "lattice/kernels/ntt.h"

namespace flash::lattice {

namespace {

std::size_t reverse_bits(std::size_t value, int bits) {
    std::size_t result = 0;
    for (int i = 0; i < bits; ++i) result |= ((value >> i) & 1) << (bits - 1 - i);
    return result;
}

double centred(std::uint64_t x, std::uint64_t p) {
    return x > p / 2 ? -static_cast<double>(p - x) : static_cast<double>(x);
}

}  // namespace

NttTables::NttTables(std::size_t n, const Modulus& modulus) : n_(n), modulus_(modulus) {
    bool roots_exist = std::has_single_bit(n) && n >= 64 && n <= 16384;
    for (std::uint64_t factor : modulus.factors()) roots_exist = roots_exist && factor % (2 * n) == 1;
    require(roots_exist, ErrorKind::kInvalidArgument,
            "a transform needs n a power of two from 64 to 16384 and primes that are 1 mod 2n");
    const std::uint64_t root = primitive_root(modulus_, 2 * n), inverse_root = modulus_.inverse(root);
    const int levels = std::countr_zero(n);
    roots_.resize(n);
    inverse_roots_.resize(n);
    std::uint64_t power = 1, inverse_power = 1;
    for (std::size_t i = 0; i < n; ++i) {
        roots_[reverse_bits(i, levels)] = power;
        inverse_roots_[reverse_bits(i, levels)] = inverse_power;
        power = modulus_.multiply(power, root);
        inverse_power = modulus_.multiply(inverse_power, inverse_root);
    }
    for (std::size_t i = 0; i < n; ++i) {
        root_quotients_.push_back(modulus_.shoup_quotient(roots_[i]));
        inverse_root_quotients_.push_back(modulus_.shoup_quotient(inverse_roots_[i]));
    }
    const std::uint64_t value = modulus_.value();
    if (value < kernels::kWideNttLimit) {
        wide_ = wide_tables(roots_, root_quotients_);
        inverse_wide_ = wide_tables(inverse_roots_, inverse_root_quotients_);
    }
    unit_ = scale(1);
    if (value < kernels::kFloatNttLimit) {
        const double p = static_cast<double>(value);
        for (std::size_t i = 0; i < n; ++i) {
            float_roots_.push_back(centred(roots_[i], value));
            float_root_ratios_.push_back(float_roots_[i] / p);
            float_inverse_roots_.push_back(centred(inverse_roots_[i], value));
            float_inverse_root_ratios_.push_back(float_inverse_roots_[i] / p);
        }
    }
}

NttTables::Scale NttTables::scale(std::uint64_t c) const {
    const auto wide = [](ShoupFactor factor) {
        return ShoupFactor{factor.value, factor.quotient >> (64 - kernels::kWideBits)};
    };
    Scale result;
    result.integer_ = modulus_.shoup(modulus_.multiply(modulus_.inverse(n_), c));
    result.wide_ = wide(result.integer_);
    result.wide_last_ = wide(modulus_.shoup(modulus_.multiply(inverse_roots_[1], result.integer_.value)));
    result.float_ = centred(result.integer_.value, modulus_.value());
    return result;
}

NttTables::WideTables NttTables::wide_tables(std::span<const std::uint64_t> roots,
                                             std::span<const std::uint64_t> quotients) const {
    WideTables tables;
    // floor(2^52 w / p) is floor(floor(2^64 w / p) / 2^12).
    for (std::uint64_t quotient : quotients) tables.quotients.push_back(quotient >> (64 - kernels::kWideBits));
    constexpr std::size_t kFourOrder[4] = {0, 2, 1, 3}, kPairOrder[8] = {0, 1, 4, 5, 2, 3, 6, 7};
    const std::uint64_t *root = roots.data(), *quotient = tables.quotients.data();
    for (std::size_t i = 0; i < n_ / 16; ++i) {
        for (std::size_t k : {0, 0, 1, 1})
            tables.inner.insert(tables.inner.end(), {root[n_ / 8 + 2 * i + k], quotient[n_ / 8 + 2 * i + k]});
        for (std::size_t k : kFourOrder)
            tables.inner.insert(tables.inner.end(), {root[n_ / 4 + 4 * i + k], quotient[n_ / 4 + 4 * i + k]});
        for (const std::uint64_t* from : {root, quotient})
            for (std::size_t k : kPairOrder) tables.inner.push_back(from[n_ / 2 + 8 * i + k]);
    }
    return tables;
}

// The highest set at or below this one that has a kernel for this prime.
InstructionSet NttTables::kernel(InstructionSet set) const {
    static_assert(kernels::kWideNttLimit == kernels::kFloatNttLimit);
    if (modulus_.value() >= kernels::kWideNttLimit) return InstructionSet::kPortable;
    return set > InstructionSet::kAvx512 ? InstructionSet::kAvx512 : set;
}

void NttTables::forward(std::span<std::uint64_t> polynomial, InstructionSet set) const {
    transform(polynomial, false, set);
}
void NttTables::forward_lazy(std::span<std::uint64_t> polynomial, InstructionSet set) const {
    transform(polynomial, true, set);
}

void NttTables::transform(std::span<std::uint64_t> polynomial, bool lazy, InstructionSet set) const {
    require(polynomial.size() == n_, ErrorKind::kInternal, "transform of a polynomial of the wrong size");
    const std::uint64_t p = modulus_.value();
    switch (kernel(set)) {
#if defined(__x86_64__)
        case InstructionSet::kAvx512:
            return kernels::ntt_forward_avx512(polynomial.data(),
                                               {n_,
                                                p,
                                                roots_.data(),
                                                wide_.quotients.data(),
                                                wide_.inner.data(),
                                                (std::uint64_t{1} << kernels::kWideBits) / p,
                                                {},
                                                {}},
                                               lazy);
        case InstructionSet::kAvx2:
            return kernels::ntt_forward_avx2(
                polynomial.data(), {n_, static_cast<double>(p), float_roots_.data(), float_root_ratios_.data(), 0});
#elif defined(__aarch64__)
        case InstructionSet::kNeon:
            return kernels::ntt_forward_neon(
                polynomial.data(), {n_, static_cast<double>(p), float_roots_.data(), float_root_ratios_.data(), 0});
#elif defined(__wasm_simd128__)
        case InstructionSet::kSimd128:
            return kernels::ntt_forward_simd128(polynomial.data(),
                                                {n_, p, roots_.data(), float_root_ratios_.data(), {}, 0}, lazy);
#endif
        default:
            return kernels::ntt_forward_portable(polynomial.data(), {n_, p, roots_.data(), root_quotients_.data(), {}});
    }
}

void NttTables::inverse(std::span<std::uint64_t> values, const Scale& scale, InstructionSet set) const {
    require(values.size() == n_, ErrorKind::kInternal, "transform of a polynomial of the wrong size");
    const std::uint64_t p = modulus_.value();
    switch (kernel(set)) {
#if defined(__x86_64__)
        case InstructionSet::kAvx512:
            return kernels::ntt_inverse_avx512(
                values.data(),
                {n_, p, inverse_roots_.data(), inverse_wide_.quotients.data(), inverse_wide_.inner.data(),
                 (std::uint64_t{1} << kernels::kWideBits) / p, scale.wide_, scale.wide_last_});
        case InstructionSet::kAvx2:
            return kernels::ntt_inverse_avx2(values.data(), {n_, static_cast<double>(p), float_inverse_roots_.data(),
                                                             float_inverse_root_ratios_.data(), scale.float_});
#elif defined(__aarch64__)
        case InstructionSet::kNeon:
            return kernels::ntt_inverse_neon(values.data(), {n_, static_cast<double>(p), float_inverse_roots_.data(),
                                                             float_inverse_root_ratios_.data(), scale.float_});
#elif defined(__wasm_simd128__)
        case InstructionSet::kSimd128:
            return kernels::ntt_inverse_simd128(
                values.data(), {n_, p, inverse_roots_.data(), float_inverse_root_ratios_.data(), scale.integer_.value,
                                scale.float_ / static_cast<double>(p)});
#endif
        default:
            return kernels::ntt_inverse_portable(
                values.data(), {n_, p, inverse_roots_.data(), inverse_root_quotients_.data(), scale.integer_});
    }
}

}  // namespace flash::lattice
