// The kernels behind square_shares.h, whose names they carry.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lattice/kernels/pointwise.h"

namespace flash::protocol::kernels {

struct SquareShares {
    void (*server_vectors)(const lattice::kernels::WideModulus& modulus, const std::uint32_t* shares,
                           const std::int32_t* kappa, int share_bits, std::uint32_t* const* vectors, std::size_t count);
    void (*client_vectors)(const lattice::kernels::WideModulus& modulus, const std::uint32_t* shares, int share_bits,
                           std::uint32_t* const* vectors, std::uint32_t* addend, std::size_t count);
    void (*finish_server_share)(const lattice::kernels::WideModulus& modulus, std::uint32_t* product,
                                const std::uint32_t* shares, const std::int32_t* kappa, const std::int32_t* offset,
                                std::size_t count);
};

extern const SquareShares kSquareSharesPortable, kSquareSharesSimd128, kSquareSharesNeon, kSquareSharesAvx2,
    kSquareSharesAvx512;

}  // namespace flash::protocol::kernels
