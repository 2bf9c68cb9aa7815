#include "scheme/composite_ring.h"

#include <array>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/siblings.h"
#include "lattice/bitpack.h"

namespace flash::scheme {

using lattice::LinearSum;
using lattice::Modulus;
using lattice::wide_factor;

std::size_t CompositeRing::Part::packed_bytes() const { return lattice::packed_bytes(ntt_.size(), modulus().bits()); }

void CompositeRing::Part::append_packed(Residues x, std::vector<std::uint8_t>& out) const {
    const std::size_t start = out.size();
    out.resize(start + lattice::packed_bytes(x.size(), modulus().bits()));
    lattice::pack(x, modulus().bits(), std::span(out).subspan(start), set_);
}

void CompositeRing::Part::take_packed(std::span<const std::uint8_t>& bytes, Words out) const {
    const std::size_t size = lattice::packed_bytes(out.size(), modulus().bits());
    require(bytes.size() >= size && out.size() % 8 == 0, ErrorKind::kInternal,
            "residues of the composite scheme that are not there");
    lattice::unpack(bytes.first(size), modulus().bits(), out, set_);
    require(arithmetic_.in_range(out), ErrorKind::kProtocol,
            "a message of the composite scheme has a coefficient outside its modulus");
    bytes = bytes.subspan(size);
}

namespace {

/// All that two equal rings share: the parameters and the instruction set.
using Key = std::array<std::size_t, 7>;

Key key_of(const CompositeParameters& p, InstructionSet set) {
    return {p.degree,
            static_cast<std::size_t>(p.residues),
            static_cast<std::size_t>(p.plain_bits),
            static_cast<std::size_t>(p.rank),
            static_cast<std::size_t>(p.delta_bits),
            static_cast<std::size_t>(p.answer_bits),
            static_cast<std::size_t>(set)};
}

}  // namespace

std::shared_ptr<const CompositeRing> CompositeRing::of(const CompositeParameters& parameters, InstructionSet set) {
    static_assert(kMaxCompositeResidues <= lattice::kernels::kMaxTerms - 1);
    lattice::require_secure(parameters.degree, parameters.modulus_bits());
    require(is_admissible(parameters), ErrorKind::kInvalidArgument, "parameters of the composite scheme out of range");
    static std::mutex mutex;
    static std::map<Key, std::weak_ptr<const CompositeRing>> rings;
    const std::lock_guard lock(mutex);
    std::weak_ptr<const CompositeRing>& kept = rings[key_of(parameters, set)];
    std::shared_ptr<const CompositeRing> ring = kept.lock();
    if (!ring) kept = ring = insecure_for_testing(parameters, set);
    return ring;
}

std::shared_ptr<const CompositeRing> CompositeRing::insecure_for_testing(const CompositeParameters& parameters,
                                                                         InstructionSet set) {
    return std::shared_ptr<const CompositeRing>(new CompositeRing(parameters, set));
}

CompositeRing::CompositeRing(const CompositeParameters& parameters, InstructionSet set)
    : parameters_(parameters),
      set_(set),
      kernels_(*choose_sibling<const kernels::CompositeKernels*>(
          set, {.portable = &kernels::kCompositeKernelsPortable,
                .simd128 = FLASH_SIMD128(&kernels::kCompositeKernelsSimd128),
                .neon = FLASH_NEON(&kernels::kCompositeKernelsNeon),
                .avx2 = FLASH_X86(&kernels::kCompositeKernelsAvx2),
                .avx512 = FLASH_X86(&kernels::kCompositeKernelsAvx512)})),
      moduli_(composite_moduli(parameters)),
      plain_(moduli_.groups, set),
      high_(moduli_.delta, set),
      low_(moduli_.answer, set),
      sent_(moduli_.groups, moduli_.delta, moduli_.answer, set) {
    for (const Modulus& m : moduli_.groups) parts_.emplace_back(degree(), m, set);
    for (const Modulus& m : moduli_.delta) parts_.emplace_back(degree(), m, set);
    for (const Modulus& m : moduli_.answer) answers_.emplace_back(degree(), m, set);
    for (std::uint32_t t : moduli_.plain) plain_wide_.push_back(lattice::wide_modulus(t));
    std::size_t first = 0;
    for (std::size_t g = 0; g < moduli_.groups.size(); ++g) {
        const Modulus& m = moduli_.groups[g];
        // The residue that is 1 mod one of the primes and 0 mod the other.
        std::vector<std::uint64_t> units = {1};
        if (m.is_product()) {
            const Modulus x(m.factors()[0]), y(m.factors()[1]);
            units = {y.value() * x.inverse(y.value() % x.value()), x.value() * y.inverse(x.value() % y.value())};
        }
        const std::uint64_t delta = high_.product(m), inverse = m.inverse(delta),
                            inverse_of_d = m.inverse(low_.product(m));
        std::vector<std::uint64_t> scaled_units;
        scaled_units.reserve(units.size());
        for (std::uint64_t unit : units) scaled_units.push_back(m.multiply(unit, delta));
        // round(x/D) is (x - [x]_D)/D.
        groups_.push_back({first, units.size(), LinearSum(m, units, set), LinearSum(m, scaled_units, set),
                           parts_[g].scale(plain_.inverse(g)), high_.to(m, m.subtract(0, inverse)), sent_.kept(g),
                           low_.to(m, m.subtract(0, inverse_of_d)), wide_factor(m, inverse),
                           wide_factor(m, sent_.factor(g)), inverse_of_d});
        first += units.size();
    }
    for (std::size_t j = 0; j < moduli_.delta.size(); ++j) {
        const Part& part = parts_[moduli_.groups.size() + j];
        deltas_.push_back({plain_.to(part.modulus()), part.scale(high_.inverse(j)), part.scale(1),
                           wide_factor(part.modulus(), sent_.inverse(j))});
    }
    for (std::size_t i = 0; i < answers_.size(); ++i)
        answer_rest_.push_back({sent_.to(i), answers_[i].scale(low_.inverse(i))});
}

std::size_t CompositeRing::ciphertext_bytes() const {
    std::size_t total = 0;
    for (const Part& part : parts_) total += part.packed_bytes();
    return total;
}

std::size_t CompositeRing::answer_bytes() const {
    std::size_t total = 0;
    for (std::size_t g = 0; g < groups(); ++g) total += part(g).packed_bytes();
    for (const Part& part : answers_) total += part.packed_bytes();
    return total;
}

void CompositeRing::check(std::size_t size) const {
    require(size == degree(), ErrorKind::kInternal, "a polynomial of the composite scheme has the wrong size");
}

void CompositeRing::check_slots(Slots slots) const {
    require(slots.size() == values(), ErrorKind::kInternal, "the composite scheme takes a value for every slot");
    bool inside = true;
    for (std::size_t i = 0; i < moduli_.plain.size(); ++i)
        inside &= kernels_.words_below(slots.data() + i * degree(), moduli_.plain[i], degree());
    require(inside, ErrorKind::kInternal, "a slot value is not below its plaintext modulus");
}

void CompositeRing::sum_slots(const LinearSum& sum, Slots slots, std::size_t g, std::size_t first, Words out) const {
    require(slots.size() == values() && first + out.size() <= degree(), ErrorKind::kInternal,
            "the composite scheme takes a value for every slot");
    std::array<Slots, 2> parts;
    for (std::size_t i = 0; i < groups_[g].count; ++i)
        parts[i] = slots.subspan((groups_[g].first + i) * degree() + first, out.size());
    sum(std::span<const Slots>(parts).first(groups_[g].count), out);
}

void CompositeRing::split(Residues x, std::size_t g, std::span<std::uint32_t> slots) const {
    check(x.size());
    require(slots.size() == values(), ErrorKind::kInternal, "the composite scheme gives a value for every slot");
    for (std::size_t i = groups_[g].first; i < groups_[g].first + groups_[g].count; ++i)
        kernels_.narrow(plain_wide_[i], x.data(), slots.data() + i * degree(), degree());
}

void CompositeRing::share(std::span<const Residues> x, std::size_t g, Residues b, Words work, Words out) const {
    check(b.size());
    check(out.size());
    groups_[g].share_rest(x, work);
    part(g).forward_lazy(work);
    kernels_.combine(part(g).wide(), b.data(), groups_[g].share_factor, work.data(), out.data(), degree());
}

void CompositeRing::sent_coefficients(std::size_t j, std::span<const std::int8_t> error, Words a) const {
    check(a.size());
    check(error.size());
    delta(j).inverse(a, deltas_[j].to_sent);
    kernels_.add_small_and_scale(delta(j).wide(), error.data(), deltas_[j].sent_factor, a.data(), degree());
}

void CompositeRing::sent_to_group(std::span<const Residues> x, std::span<const std::int8_t> error, std::size_t g,
                                  Residues a, Words work, Words out) const {
    check(a.size());
    check(out.size());
    groups_[g].sent_rest(x, error, groups_[g].sent_factor, work);
    part(g).forward_lazy(work);
    kernels_.combine(part(g).wide(), a.data(), groups_[g].sent_factor, work.data(), out.data(), degree());
}

void CompositeRing::received_share(std::span<const Residues> x, std::size_t g, Residues sent, Residues s,
                                   Residues s_quotients, Words work, Words out) const {
    for (std::size_t size : {sent.size(), s.size(), s_quotients.size(), out.size()}) check(size);
    groups_[g].received_rest(x, work);
    part(g).forward_lazy(work);
    kernels_.combine_products(part(g).wide(), sent.data(), s.data(), s_quotients.data(), work.data(), out.data(),
                              degree());
}

}  // namespace flash::scheme
