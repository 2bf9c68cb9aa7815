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

NttTables::NttTables(std::size_t n, std::uint64_t prime) : n_(n), modulus_(prime) {
    require(std::has_single_bit(n) && n >= 64 && n <= 8192 && prime % (2 * n) == 1, ErrorKind::kInvalidArgument,
            "a transform needs n a power of two from 64 to 8192 and a prime that is 1 mod 2n");
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
    inverse_n_ = modulus_.shoup(modulus_.inverse(n));
    if (prime < kernels::kFloatNttLimit) {
        const double p = static_cast<double>(prime);
        for (std::size_t i = 0; i < n; ++i) {
            float_roots_.push_back(centred(roots_[i], prime));
            float_root_ratios_.push_back(float_roots_[i] / p);
            float_inverse_roots_.push_back(centred(inverse_roots_[i], prime));
            float_inverse_root_ratios_.push_back(float_inverse_roots_[i] / p);
        }
    }
}

void NttTables::forward(std::span<std::uint64_t> polynomial, InstructionSet set) const {
    require(polynomial.size() == n_, ErrorKind::kInternal, "transform of a polynomial of the wrong size");
    if (float_kernel(set))
        kernels::ntt_forward_avx2(polynomial.data(), {n_, static_cast<double>(modulus_.value()), float_roots_.data(),
                                                      float_root_ratios_.data(), 0});
    else
        kernels::ntt_forward_portable(polynomial.data(),
                                      {n_, modulus_.value(), roots_.data(), root_quotients_.data(), {}});
}

void NttTables::inverse(std::span<std::uint64_t> values, InstructionSet set) const {
    require(values.size() == n_, ErrorKind::kInternal, "transform of a polynomial of the wrong size");
    if (float_kernel(set))
        kernels::ntt_inverse_avx2(values.data(),
                                  {n_, static_cast<double>(modulus_.value()), float_inverse_roots_.data(),
                                   float_inverse_root_ratios_.data(), centred(inverse_n_.value, modulus_.value())});
    else
        kernels::ntt_inverse_portable(values.data(), {n_, modulus_.value(), inverse_roots_.data(),
                                                      inverse_root_quotients_.data(), inverse_n_});
}

}  // namespace flash::lattice
