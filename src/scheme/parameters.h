// The rings of the linear layers. Those of the activations are in scheme/composite_parameters.h.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/error.h"
#include "lattice/security.h"

namespace flash::scheme {

/// A ring of the linear layers ("direct" scheme): R_q = Z_q[X]/(X^n + 1) with q a power of two of at most 2^32. Its
/// elements are kept as words mod 2^32 that are multiples of 2^low_bits(), so that the same code computes in every
/// ring: v mod q stands for v 2^low_bits().
struct DirectRing {
    std::size_t degree;  ///< n
    int modulus_bits;    ///< log2 q
    constexpr int low_bits() const { return 32 - modulus_bits; }
    /// The bits that an element of the ring may have.
    constexpr std::uint32_t mask() const { return ~std::uint32_t{0} << low_bits(); }
};

/// The first one has room for everything; the second sends half of the bytes for a ciphertext that holds half as much,
/// which is less in all where many small maps are packed, and leaves less room for noise (scheme/direct_noise.h).
inline constexpr std::array<DirectRing, 2> kDirectRings{{{2048, 32}, {1024, 26}}};
inline constexpr std::size_t kMaxDirectDegree = 2048;

constexpr bool direct_rings_fit() {
    for (const DirectRing& ring : kDirectRings)
        if (!lattice::is_secure(ring.degree, ring.modulus_bits) || ring.degree > kMaxDirectDegree) return false;
    return true;
}
static_assert(direct_rings_fit(), "a ring of the linear layers is outside the security table of 2024");

/// Where the ring of this degree stands in kDirectRings; Error(kInternal) if there is none.
std::size_t direct_ring_index(std::size_t degree);
inline const DirectRing& direct_ring(std::size_t degree) { return kDirectRings[direct_ring_index(degree)]; }

/// One object for each ring that is used, under its degree.
template <class T>
class PerRing {
public:
    template <class... Arguments>
    T& make(std::size_t degree, Arguments&&... arguments) {
        return *(objects_[direct_ring_index(degree)] = std::make_unique<T>(std::forward<Arguments>(arguments)...));
    }
    /// Error(kInternal) if none was made.
    T& at(std::size_t degree) const {
        T* const object = objects_[direct_ring_index(degree)].get();
        require(object != nullptr, ErrorKind::kInternal, "a ring is used that was not prepared");
        return *object;
    }

private:
    std::array<std::unique_ptr<T>, kDirectRings.size()> objects_;
};

/// Top bits that a linear response keeps beyond the m of its shares. A dropped bit of a'' is multiplied by the ternary
/// secret, one of b'' is not. With one bit less of a'' its rounding would be most of the noise that a layer may have
/// (ten sigma of it 0.42 of a unit, half a unit being the limit), and every upload would need a bit or two more.
constexpr int response_a_bits(int share_bits) { return share_bits + 9; }
constexpr int response_b_bits(int share_bits) { return share_bits + 4; }

}  // namespace flash::scheme
