// The constants of the time model: what one thread of this machine takes for each piece of a private inference.
#pragma once

#include <array>
#include <cstdint>

#include "lattice/product_choice.h"
#include "model/architecture.h"
#include "scheme/composite_parameters.h"

namespace flash::planner {

/// What a chunk of activation values takes, whatever part of its slots is in use. Seconds, of one thread.
struct ChunkRates {
    double prepare = 0;  ///< client: what of an answer does not depend on the server's vectors
    double respond = 0;  ///< client: the rest of it
    double vectors = 0;  ///< server: encrypt the vectors
    double finish = 0;   ///< server: decrypt an answer and finish the server's share
};

/// Of chunks, by shape of the slots. Zero for shapes that have no parameters for what was measured.
using ShapeRates = std::array<ChunkRates, std::size(scheme::kCompositeShapes)>;

/// Seconds, of one thread. A ciphertext is one of the linear layers with n = 2048.
struct Rates {
    // Client.
    double prepare_upload = 0;  ///< what of an upload does not depend on the share
    double encrypt = 0;         ///< the rest: pack the share, add it and encode
    double decrypt = 0;         ///< decode and decrypt one linear response ...
    double decrypt_value = 0;   ///< ... and this for each of its results
    // Server.
    double add_share = 0;   ///< decode one upload and add the server's share
    double mask = 0;        ///< re-randomise, mask and encode one linear response ...
    double mask_value = 0;  ///< ... and this for each of its results
    // Both, with as many products as the network's activations take.
    ShapeRates chunk{};            ///< for T of at most scheme::kMaxPairedBits bits
    ShapeRates wide_chunk{};       ///< for larger ones, of which no two share a modulus
    double shift_coefficient = 0;  ///< server: one scaled shift (shortcut, depthwise), for each result coefficient
    lattice::ProductRates product{};
    // Both.
    double setup = 0;       ///< keys of both parties and the first exchange, once for each inference
    double efficiency = 1;  ///< the speed-up of several cores that work on the same inference, divided by their number
    // Connection: of a channel over TLS on the loopback interface, or of one in memory.
    double tls_byte = 0;  ///< processor time of both ends together for each byte
    double tls_turn = 0;  ///< what a layer takes beyond its work, without any link
    double memory_byte = 0;
    double memory_turn = 0;

    /// Of these slots with T of this width; of the next larger slots in rings of this degree where the table does not
    /// have them.
    const ChunkRates& chunk_of(const model::SlotChoice& slots, int plain_bits) const;
};

/// What decides about primes, bits and products of the network that is planned. Its slots do not matter: chunks of all
/// shapes are measured.
struct RatedNetwork {
    int plain_bits = 0;  ///< 0: not chosen yet; then chunks with T of both kinds are measured
    int share_bits = 9;
    bool sines_only = false;  ///< two products; three otherwise
};
RatedNetwork rated(const model::Architecture& architecture);

/// Measures this machine in a second or two: small private inferences between two parties in this process, and a TLS
/// connection to itself.
Rates measure_rates(const RatedNetwork& network);

}  // namespace flash::planner
