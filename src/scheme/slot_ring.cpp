#include "scheme/slot_ring.h"

#include <memory>
#include <mutex>

#include "base/error.h"
#include "lattice/bitpack.h"

namespace flash::scheme {

namespace {

using lattice::u128;

constexpr std::size_t kDegree = kSlotDegree;

u128 modulus_product(const SlotParameters& parameters) {
    return static_cast<u128>(parameters.primes[0]) * parameters.primes[1];
}

void check_degree(std::size_t size) {
    require(size == kDegree, ErrorKind::kInternal, "a polynomial of the slot scheme must have 4096 coefficients");
}

}  // namespace

const SlotRing& SlotRing::of(const SlotParameters& parameters) {
    static std::array<std::unique_ptr<const SlotRing>, 5> rings;
    static std::array<std::once_flag, 5> built;
    const SlotParameters& row = slot_parameters(parameters.plain_modulus);
    const std::size_t index = static_cast<std::size_t>(&row - slot_parameters().data());
    std::call_once(built[index], [&] { rings[index] = std::make_unique<const SlotRing>(row); });
    return *rings[index];
}

SlotRing::SlotRing(const SlotParameters& parameters)
    : parameters_(parameters),
      plain_(kDegree, parameters.plain_modulus),
      primes_{lattice::NttTables(kDegree, parameters.primes[0]), lattice::NttTables(kDegree, parameters.primes[1])},
      by_plain_(parameters.plain_modulus) {
    lattice::require_secure(kDegree, parameters.modulus_bits);
    const u128 q = modulus_product(parameters);
    const std::uint64_t plain_modulus = parameters.plain_modulus;
    q_mod_plain_ = static_cast<std::uint64_t>(q % plain_modulus);
    for (std::size_t i = 0; i < 2; ++i) {
        const lattice::Modulus& modulus = primes_[i].modulus();
        constants_[i].quotient = modulus.shoup(modulus.reduce(q / plain_modulus));
        constants_[i].other_inverse = modulus.shoup(modulus.inverse(modulus.reduce(parameters.primes[1 - i])));
        constants_[i].fraction =
            static_cast<std::uint64_t>((u128{1} << (63 + modulus.bits())) / modulus.value());
    }
}

void SlotRing::encode(std::span<const std::uint32_t> slots, std::span<std::uint64_t> polynomial) const {
    require(slots.size() <= kDegree, ErrorKind::kInternal, "more values than the slot scheme has slots");
    check_degree(polynomial.size());
    std::uint32_t out_of_range = 0;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        out_of_range |= static_cast<std::uint32_t>(slots[i] >= parameters_.plain_modulus);
        polynomial[i] = slots[i];
    }
    for (std::size_t i = slots.size(); i < kDegree; ++i) polynomial[i] = 0;
    require(!out_of_range, ErrorKind::kInternal, "a slot value is not below the plaintext modulus");
    plain_.inverse(polynomial);
}

void SlotRing::decode(std::span<std::uint64_t> polynomial) const { plain_.forward(polynomial); }

void SlotRing::lift_centred(std::span<const std::uint64_t> polynomial, std::size_t i, std::span<std::uint64_t> out) const {
    check_degree(polynomial.size());
    check_degree(out.size());
    // T is odd: the representatives are -(T - 1)/2 .. (T - 1)/2.
    const std::uint64_t half = parameters_.plain_modulus / 2, shift = primes_[i].modulus().value() - parameters_.plain_modulus;
    for (std::size_t j = 0; j < kDegree; ++j)
        out[j] = polynomial[j] + (shift & (0 - static_cast<std::uint64_t>(polynomial[j] > half)));
}

void SlotRing::add_scaled(std::span<const std::uint64_t> polynomial, std::span<std::uint64_t> first,
                          std::span<std::uint64_t> second) const {
    check_degree(polynomial.size());
    check_degree(first.size());
    check_degree(second.size());
    // With q = k T + r:  q m / T = k m + r m / T, and r m < T^2 < 2^56 is divided exactly. T is odd, so rounding has no ties.
    const std::uint64_t half = parameters_.plain_modulus / 2;
    const std::uint64_t p1 = primes_[0].modulus().value(), p2 = primes_[1].modulus().value();
    const lattice::ShoupFactor k1 = constants_[0].quotient, k2 = constants_[1].quotient;
    // k m is below 2p, the two other terms below p: one subtraction of 2p and one of p reduce the sum.
    for (std::size_t j = 0; j < kDegree; ++j) {
        const std::uint64_t m = polynomial[j], rounded = by_plain_.quotient(q_mod_plain_ * m + half);
        const std::uint64_t sum1 = lattice::multiply_lazy(m, k1.value, k1.quotient, p1) + rounded + first[j];
        const std::uint64_t sum2 = lattice::multiply_lazy(m, k2.value, k2.quotient, p2) + rounded + second[j];
        first[j] = lattice::subtract_if_at_least(lattice::subtract_if_at_least(sum1, 2 * p1), p1);
        second[j] = lattice::subtract_if_at_least(lattice::subtract_if_at_least(sum2, 2 * p2), p2);
    }
}

void SlotRing::switch_down(std::span<const std::uint64_t> first, std::span<const std::uint64_t> second,
                           std::span<std::uint64_t> out) const {
    check_degree(first.size());
    check_degree(second.size());
    check_degree(out.size());
    // Chinese remainder: x/q = y1/q1 + y2/q2 mod 1 with y_i = x_i (q/q_i)^-1 mod q_i. Each fraction is taken in units of 2^-64:
    // floor(y_i fraction_i / 2^(bits - 1)) is short of 2^64 y_i / q_i by less than 3. The sum wraps mod 1 by itself; rounding to t bits is
    // off from the nearest by at most 6 * 2^(t - 64) of a unit, below 2^-23 for t <= 38.
    const int t = parameters_.response_bits;
    const lattice::Modulus& modulus1 = primes_[0].modulus();
    const lattice::Modulus& modulus2 = primes_[1].modulus();
    const PerPrime &constants1 = constants_[0], &constants2 = constants_[1];
    const int shift1 = modulus1.bits() - 1, shift2 = modulus2.bits() - 1;
    for (std::size_t j = 0; j < kDegree; ++j) {
        const std::uint64_t y1 = modulus1.multiply(first[j], constants1.other_inverse);
        const std::uint64_t y2 = modulus2.multiply(second[j], constants2.other_inverse);
        const std::uint64_t sum = static_cast<std::uint64_t>(static_cast<u128>(y1) * constants1.fraction >> shift1) +
                                  static_cast<std::uint64_t>(static_cast<u128>(y2) * constants2.fraction >> shift2);
        out[j] = (sum + (std::uint64_t{1} << (63 - t))) >> (64 - t);
    }
}

void SlotRing::scale_down(std::span<std::uint64_t> phase) const {
    const int t = parameters_.response_bits;
    const u128 half = u128{1} << (t - 1);
    for (std::uint64_t& x : phase) {
        const std::uint64_t scaled = static_cast<std::uint64_t>((static_cast<u128>(x) * parameters_.plain_modulus + half) >> t);
        x = lattice::subtract_if_at_least(scaled, parameters_.plain_modulus);
    }
}

std::size_t SlotRing::packed_bytes() const {
    return lattice::packed_bytes(kDegree, primes_[0].modulus().bits()) +
           lattice::packed_bytes(kDegree, primes_[1].modulus().bits());
}

void SlotRing::append_packed(const Residues& x, std::vector<std::uint8_t>& out) const {
    for (std::size_t i = 0; i < 2; ++i) {
        const int bits = primes_[i].modulus().bits();
        const std::size_t start = out.size(), size = lattice::packed_bytes(kDegree, bits);
        out.resize(start + size);
        lattice::pack(std::span<const std::uint64_t>(x[i]), bits, std::span(out).subspan(start, size));
    }
}

void SlotRing::unpack(std::span<const std::uint8_t> bytes, std::size_t i, std::span<std::uint64_t> out) const {
    require(bytes.size() == packed_bytes(), ErrorKind::kProtocol, "a slot ciphertext or public key has the wrong size");
    check_degree(out.size());
    const lattice::Modulus& modulus = primes_[i].modulus();
    const std::size_t size = lattice::packed_bytes(kDegree, modulus.bits());
    lattice::unpack(i == 0 ? bytes.first(size) : bytes.last(size), modulus.bits(), out);
    bool in_range = true;
    for (std::uint64_t value : out) in_range &= value < modulus.value();
    require(in_range, ErrorKind::kProtocol, "a slot ciphertext or public key has a coefficient outside its modulus");
}

}  // namespace flash::scheme
