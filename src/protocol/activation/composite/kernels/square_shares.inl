// The kernels of square_shares.h, written once on Lanes; each sibling includes its lanes and then this file. Counts
// are multiples of Lanes::kCount.
#include "lattice/kernels/wide_prime.h"
#include "protocol/activation/composite/kernels/square_shares.h"

namespace flash::protocol::kernels {
namespace {

using lattice::kernels::Lanes;
using lattice::kernels::WideModulus;
using Vector = Lanes::Vector;

/// x mod T in [0, T) for |x| < 2^50, given as signed.
class Residue {
public:
    explicit Residue(const WideModulus& modulus)
        : prime_(modulus),
          lift_(Lanes::all(((std::uint64_t{1} << 51) - 1) / modulus.p * modulus.p)) {}
    Vector operator()(Vector x) const { return prime_.from_two_p(prime_.reduce(Lanes::add(x, lift_))); }

private:
    lattice::kernels::Prime prime_;
    Vector lift_;  // a multiple of T between 2^50 and 2^51
};

/// x y for signed |x| < 2^32 and 0 <= y < 2^17. The products know no signs, so (x + 2^32) y - 2^32 y.
Vector product(Vector x, Vector y) {
    const Vector shift = Lanes::all(std::uint64_t{1} << 32);
    return Lanes::subtract(Lanes::add_low(Lanes::zero(), Lanes::add(x, shift), y), Lanes::shift_left(y, 32));
}

/// 1 if share < 2^(m-1), else 0.
Vector lower_half(Vector share, int share_bits) {
    return Lanes::subtract(Lanes::all(1), Lanes::shift_right(share, share_bits - 1));
}
/// x if bit is 1, 0 if it is 0.
Vector select(Vector bit, Vector x) { return Lanes::bit_and(Lanes::subtract(Lanes::zero(), bit), x); }

void server_vectors(const WideModulus& modulus, const std::uint32_t* shares, const std::int32_t* kappa, int share_bits,
                    std::uint32_t* const* vectors, std::size_t count) {
    const Residue residue(modulus);
    for (std::size_t j = 0; j < count; j += Lanes::kCount) {
        const Vector b = Lanes::load(shares + j), w = lower_half(b, share_bits);
        // E1 = 2B + kappa, and E2 = w 2^m (E1 + 2^m).
        const Vector first = Lanes::add(Lanes::add(b, b), Lanes::load(kappa + j));
        const Vector second =
            Lanes::shift_left(Lanes::add(first, Lanes::all(std::uint64_t{1} << share_bits)), share_bits);
        Lanes::store(vectors[0] + j, residue(first));
        Lanes::store(vectors[1] + j, residue(select(w, second)));
        Lanes::store(vectors[2] + j, Lanes::shift_left(w, share_bits + 1));
    }
}

void client_vectors(const WideModulus& modulus, const std::uint32_t* shares, int share_bits,
                    std::uint32_t* const* vectors, std::uint32_t* addend, std::size_t count) {
    const Residue residue(modulus);
    const Vector shift = Lanes::all((std::uint64_t{1} << share_bits) + (std::uint64_t{1} << (share_bits - 2)));
    for (std::size_t j = 0; j < count; j += Lanes::kCount) {
        const Vector share = Lanes::load(shares + j), p = lower_half(share, share_bits);
        const Vector minus_a = Lanes::subtract(shift, share);  // positive: A^2 needs no signs
        const Vector a = residue(Lanes::subtract(share, shift));
        Lanes::store(vectors[0] + j, a);
        Lanes::store(vectors[1] + j, p);
        Lanes::store(vectors[2] + j, select(p, a));
        Lanes::store(addend + j, residue(Lanes::add_low(Lanes::zero(), minus_a, minus_a)));
    }
}

void finish_server_share(const WideModulus& modulus, std::uint32_t* product_share, const std::uint32_t* shares,
                         const std::int32_t* kappa, const std::int32_t* offset, std::size_t count) {
    const Residue residue(modulus);
    for (std::size_t j = 0; j < count; j += Lanes::kCount) {
        const Vector b = Lanes::load(shares + j);
        const Vector local = Lanes::add(product(Lanes::add(b, Lanes::load(kappa + j)), b), Lanes::load(offset + j));
        Lanes::store(product_share + j, residue(Lanes::add(local, Lanes::load(product_share + j))));
    }
}

constexpr SquareShares kKernels = {server_vectors, client_vectors, finish_server_share};

}  // namespace
}  // namespace flash::protocol::kernels
