// Arithmetic on whole arrays of residues mod a prime p < 2^50, built on products of 52 bits. All arrays of one call
// have the same size, a multiple of 8 (Error(kInternal) otherwise); residues are in [0, p) unless said otherwise. Time
// independent of the values; every instruction set gives the same result. AVX2 has no wide product and uses the
// portable siblings.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/instruction_set.h"
#include "lattice/kernels/pointwise.h"
#include "lattice/modulus.h"

namespace flash::lattice {

/// The kernels of an instruction set.
const kernels::Pointwise& pointwise_kernels(InstructionSet set);

/// Constants of a public odd p for those kernels; Error(kInvalidArgument) unless 2 < p < 2^50.
kernels::WideModulus wide_modulus(std::uint64_t p);

class Pointwise {
public:
    /// p < 2^50, as wide_modulus.
    explicit Pointwise(const Modulus& modulus, InstructionSet set = best_instruction_set());

    const kernels::WideModulus& modulus() const { return modulus_; }

    /// floor(2^52 w / p) for each w of a factor to be used more than once.
    void quotients(std::span<const std::uint64_t> factor, std::span<std::uint64_t> out) const;
    /// out = x factor for any x < 2^52; in place is allowed.
    void multiply(std::span<const std::uint64_t> x, std::span<const std::uint64_t> factor,
                  std::span<const std::uint64_t> quotients, std::span<std::uint64_t> out) const;
    /// out_x = x[0] y[0] + x[1] y[1] + ..., out_z = z[0] y[0] + z[1] y[1] + ..., one to four products each, with one
    /// reduction; y as NttTables::forward_lazy gives it.
    void product_pair(std::span<const std::span<const std::uint64_t>> x,
                      std::span<const std::span<const std::uint64_t>> z,
                      std::span<const std::span<const std::uint64_t>> y, std::span<std::uint64_t> out_x,
                      std::span<std::uint64_t> out_z) const;

    /// Residues of small signed integers, and of words mod 2^32 taken in [-2^31, 2^31); for p >= 2^32 only.
    void lift(std::span<const std::int8_t> small, std::span<std::uint64_t> out) const;
    void lift(std::span<const std::uint32_t> words, std::span<std::uint64_t> out) const;
    /// out += (-=) the representative of x in (-p/2, p/2), mod 2^32.
    void add_centred(std::span<const std::uint64_t> x, std::span<std::uint32_t> out) const;
    void subtract_centred(std::span<const std::uint64_t> x, std::span<std::uint32_t> out) const;

    /// Whether every x < 2^63 is below p. The answer is public, the place of an offender is not.
    bool in_range(std::span<const std::uint64_t> x) const;

private:
    const kernels::Pointwise& kernels_;
    kernels::WideModulus modulus_;
};

}  // namespace flash::lattice
