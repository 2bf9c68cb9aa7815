// What both parties' halves of the composite scheme work with: the public halves `a` of all ciphertexts, passes over
// polynomials in blocks, and the cutting of lent memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "lattice/sampling.h"
#include "scheme/composite.h"
#include "scheme/composite_ring.h"

namespace flash::scheme::composite {

using Words = CompositeRing::Words;
using Residues = CompositeRing::Residues;

/// The public halves, uniform in transformed form as well, so they are expanded there and never transformed. Streams of
/// one inference with other parameters have other keys.
class PublicHalves {
public:
    PublicHalves(const CompositeRing& ring, const CompositeSeeds& seeds)
        : PublicHalves(ring, sha256_parts({seeds.client_nonce, seeds.server_seed}), ring.parameters()) {}

    /// One half mod one part, from its front.
    class Stream {
    public:
        /// Of the public key; of a vector.
        Stream(const PublicHalves& halves, std::size_t part) : Stream(halves, halves.key_, part, 0, part) {}
        Stream(const PublicHalves& halves, CompositeVectorId id, std::size_t part)
            : Stream(halves, halves.vectors_, id.chunk, std::uint64_t{id.vector} << 8 | part, part) {
            require(id.vector < static_cast<std::uint32_t>(halves.ring_.parameters().rank), ErrorKind::kInternal,
                    "the name of a vector of the composite scheme is out of range");
        }
        void next(Words out) { lattice::sample_uniform(rng_, modulus_, out, set_); }

    private:
        Stream(const PublicHalves& halves, const StreamKey& key, std::uint64_t a, std::uint64_t b, std::size_t part)
            : rng_(key.stream(a, b)),
              modulus_(halves.ring_.part(part).modulus()),
              set_(halves.ring_.set()) {}
        Prng rng_;
        const lattice::Modulus& modulus_;
        InstructionSet set_;
    };

private:
    PublicHalves(const CompositeRing& ring, const PublicSeed& seed, const CompositeParameters& p)
        : ring_(ring),
          key_(seed, "flash composite key a",
               {p.degree, word(p.residues), word(p.plain_bits), word(p.rank), word(p.delta_bits), word(p.answer_bits)},
               ring.set()),
          vectors_(
              seed, "flash composite vector a",
              {p.degree, word(p.residues), word(p.plain_bits), word(p.rank), word(p.delta_bits), word(p.answer_bits)},
              ring.set()) {}
    static std::uint64_t word(int x) { return static_cast<std::uint64_t>(x); }

    const CompositeRing& ring_;
    StreamKey key_, vectors_;
};

/// Passes over several arrays go through them in blocks that fit into a first-level cache, and make there what they
/// need only once: public halves, and what is received.
inline constexpr std::size_t kBlock = 1024;

/// f(first, size) for each block of so many coefficients.
template <class F>
void for_blocks(std::size_t degree, const F& f) {
    for (std::size_t first = 0; first < degree; first += kBlock) f(first, std::min(kBlock, degree - first));
}

/// Cuts a block of memory into polynomials.
class PolynomialCutter {
public:
    PolynomialCutter(std::span<std::uint64_t> words, std::size_t degree) : rest_(words), degree_(degree) {}
    Words polynomial() { return words(degree_); }
    std::vector<Words> polynomials(std::size_t count) {
        std::vector<Words> result(count);
        for (Words& x : result) x = polynomial();
        return result;
    }
    Words rest() const { return rest_; }
    std::span<std::int8_t> small() { return {reinterpret_cast<std::int8_t*>(words(degree_ / 8).data()), degree_}; }

private:
    Words words(std::size_t count) {
        const Words result = rest_.first(count);
        rest_ = rest_.subspan(count);
        return result;
    }
    Words rest_;
    std::size_t degree_;
};

/// The same memory for reading, with one more array at the end.
inline std::vector<Residues> with(std::span<const Words> x, Words last) {
    std::vector<Residues> result(x.begin(), x.end());
    result.emplace_back(last);
    return result;
}

inline std::vector<Residues> reading(std::span<const Words> x) { return {x.begin(), x.end()}; }

}  // namespace flash::scheme::composite
