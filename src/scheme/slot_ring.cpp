#include "scheme/slot_ring.h"

#include <memory>
#include <mutex>

#include "base/error.h"
#include "lattice/bitpack.h"

namespace flash::scheme {

namespace {

using lattice::u128;

constexpr std::size_t kDegree = kSlotDegree;
constexpr std::size_t kSets = static_cast<std::size_t>(InstructionSet::kAmx) + 1;

void check_degree(std::size_t size) {
    require(size == kDegree, ErrorKind::kInternal, "a polynomial of the slot scheme must have 4096 coefficients");
}

void check_residues(std::span<const Polynomial> x, std::size_t primes) {
    require(x.size() == primes, ErrorKind::kInternal,
            "a polynomial of the slot scheme needs one residue for each prime");
    for (const Polynomial& residue : x) check_degree(residue.size());
}

kernels::Factor wide_factor(const lattice::Modulus& modulus, std::uint64_t w) {
    return {w, modulus.shoup_quotient(w) >> 12};
}

/// floor(2^104 w / p), high half first.
std::array<std::uint64_t, 2> wide_fraction(std::uint64_t w, std::uint64_t p) {
    const u128 first = static_cast<u128>(w) << 52, second = (first % p) << 52;
    return {static_cast<std::uint64_t>(first / p), static_cast<std::uint64_t>(second / p)};
}

}  // namespace

const SlotRing& SlotRing::of(const SlotParameters& parameters, InstructionSet set) {
    static std::array<std::array<std::unique_ptr<const SlotRing>, kSets>, 5> rings;
    static std::array<std::array<std::once_flag, kSets>, 5> built;
    const SlotParameters& row = slot_parameters(parameters.plain_modulus);
    const std::size_t index = static_cast<std::size_t>(&row - kSlotParameters.data()),
                      kind = static_cast<std::size_t>(set);
    std::call_once(built[index][kind], [&] { rings[index][kind] = std::make_unique<const SlotRing>(row, set); });
    return *rings[index][kind];
}

SlotRing::SlotRing(const SlotParameters& parameters, InstructionSet set)
    : parameters_(parameters),
      set_(set),
      kernels_(set >= InstructionSet::kAvx512 ? kernels::kSlotKernelsAvx512 : kernels::kSlotKernelsPortable),
      plain_(kDegree, parameters.plain_modulus),
      constants_{} {
    lattice::require_secure(kDegree, parameters.modulus_bits);
    const lattice::Modulus& plain = plain_.modulus();
    std::uint64_t q_mod_plain = 1;
    for (std::uint64_t p : parameters.primes()) {
        primes_.emplace_back(p, set);
        moduli_.push_back(primes_.back().ntt.modulus());
        q_mod_plain = plain.multiply(q_mod_plain, p % plain.value());
    }
    if (parameters.primes()[0] != kSlotResponsePrime) response_.emplace(kSlotResponsePrime, set);
    constants_.plain = lattice::wide_modulus(plain.value());
    constants_.q_mod_plain = wide_factor(plain, q_mod_plain);
    constants_.prime_count = prime_count();
    constants_.response_bits = parameters.response_bits;
    for (std::size_t i = 0; i < prime_count(); ++i) {
        const lattice::Modulus& modulus = moduli_[i];
        std::uint64_t others = 1;
        for (std::uint64_t p : parameters.primes())
            if (p != modulus.value()) others = modulus.multiply(others, p % modulus.value());
        const std::array fraction = wide_fraction(modulus.inverse(others), modulus.value());
        constants_.primes[i] = {primes_[i].arithmetic.modulus(), wide_factor(modulus, modulus.inverse(plain.value())),
                                fraction[0], fraction[1]};
    }
}

void SlotRing::encode(std::span<const std::uint32_t> slots, Polynomial out,
                      std::span<const std::uint32_t> subtracted) const {
    require(slots.size() <= kDegree && subtracted.size() <= kDegree, ErrorKind::kInternal,
            "more values than the slot scheme has slots");
    check_degree(out.size());
    bool in_range = kernels_.widen(parameters_.plain_modulus, slots.data(), slots.size(), out.data());
    if (!subtracted.empty())
        in_range &= kernels_.subtract(parameters_.plain_modulus, subtracted.data(), subtracted.size(), out.data());
    require(in_range, ErrorKind::kInternal, "a slot value is not below the plaintext modulus");
    plain_.inverse(out, set_);
}

void SlotRing::decode(Polynomial polynomial, std::span<std::uint32_t> slots) const {
    require(slots.size() <= kDegree, ErrorKind::kInternal, "more values than the slot scheme has slots");
    check_degree(polynomial.size());
    plain_.forward(polynomial, set_);
    kernels_.narrow(polynomial.data(), slots.size(), slots.data());
}

void SlotRing::lift_centred(ConstPolynomial polynomial, std::size_t i, Polynomial out) const {
    check_degree(polynomial.size());
    check_degree(out.size());
    kernels_.lift_centred(parameters_.plain_modulus, moduli_[i].value(), polynomial.data(), out.data());
}

namespace {

template <class Word>
std::array<Word*, kMaxSlotPrimes> pointers(std::span<const Polynomial> x) {
    std::array<Word*, kMaxSlotPrimes> result{};
    for (std::size_t i = 0; i < x.size(); ++i) result[i] = x[i].data();
    return result;
}

}  // namespace

void SlotRing::scale_up(ConstPolynomial m, std::span<const std::int8_t> error, std::span<const Polynomial> out) const {
    check_degree(m.size());
    check_degree(error.size());
    check_residues(out, prime_count());
    kernels_.scale_up(constants_, m.data(), error.data(), pointers<std::uint64_t>(out).data());
}

void SlotRing::switch_down(std::span<const Polynomial> x, std::span<const std::int8_t> error, Polynomial out) const {
    check_residues(x, prime_count());
    check_degree(error.size());
    check_degree(out.size());
    kernels_.switch_down(constants_, pointers<const std::uint64_t>(x).data(), error.data(), out.data());
}

void SlotRing::switch_down(std::span<const Polynomial> x, std::span<const Polynomial> flooding, ConstPolynomial m,
                           Polynomial out) const {
    check_residues(x, prime_count());
    check_residues(flooding, prime_count());
    check_degree(m.size());
    check_degree(out.size());
    kernels_.switch_down_sum(constants_, pointers<const std::uint64_t>(x).data(),
                             pointers<const std::uint64_t>(flooding).data(), m.data(), out.data());
}

void SlotRing::lift_response(Polynomial x) const {
    check_degree(x.size());
    kernels_.lift_response(kSlotResponsePrime, parameters_.response_bits, x.data());
}

void SlotRing::scale_down(ConstPolynomial product, ConstPolynomial b, Polynomial out) const {
    check_degree(product.size());
    check_degree(b.size());
    check_degree(out.size());
    kernels_.scale_down(constants_, kSlotResponsePrime, product.data(), b.data(), out.data());
}

std::size_t SlotRing::packed_bytes(std::size_t i) const { return lattice::packed_bytes(kDegree, moduli_[i].bits()); }

std::size_t SlotRing::packed_bytes() const {
    std::size_t total = 0;
    for (std::size_t i = 0; i < prime_count(); ++i) total += packed_bytes(i);
    return total;
}

void SlotRing::append_packed(ConstPolynomial x, std::size_t i, std::vector<std::uint8_t>& out) const {
    check_degree(x.size());
    const std::size_t start = out.size(), size = packed_bytes(i);
    out.resize(start + size);
    lattice::pack(x, moduli_[i].bits(), std::span(out).subspan(start, size), set_);
}

void SlotRing::unpack(std::span<const std::uint8_t> bytes, std::size_t i, Polynomial out) const {
    require(bytes.size() == packed_bytes(), ErrorKind::kProtocol, "a slot ciphertext or public key has the wrong size");
    check_degree(out.size());
    std::size_t start = 0;
    for (std::size_t k = 0; k < i; ++k) start += packed_bytes(k);
    lattice::unpack(bytes.subspan(start, packed_bytes(i)), moduli_[i].bits(), out, set_);
    require(primes_[i].arithmetic.in_range(out), ErrorKind::kProtocol,
            "a slot ciphertext or public key has a coefficient outside its modulus");
}

}  // namespace flash::scheme
