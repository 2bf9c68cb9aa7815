// The constants of the time model: what one thread of this machine takes for each piece of a private inference.
#pragma once

#include <cstdint>

#include "lattice/product_choice.h"

namespace flash::planner {

/// Seconds, of one thread. A ciphertext is one of the linear layers with n = 2048, a chunk 4096 activation values.
struct Rates {
    // Client.
    double encrypt = 0;        ///< pack, encrypt and encode one upload
    double draw_value = 0;     ///< draw the client's share of one activation value
    double decrypt = 0;        ///< decode and decrypt one linear response ...
    double decrypt_value = 0;  ///< ... and this for each of its results
    double prepare = 0;        ///< what of a chunk's answer does not depend on the keys
    double respond = 0;        ///< the rest of it
    // Server.
    double add_share = 0;          ///< decode one upload and add the server's share
    double mask = 0;               ///< re-randomise, mask and encode one linear response ...
    double mask_value = 0;         ///< ... and this for each of its results
    double keys = 0;               ///< encrypt the keys of a chunk
    double finish = 0;             ///< decrypt a chunk's answer and finish the server's share
    double shift_coefficient = 0;  ///< one scaled shift (shortcut, depthwise), for each result coefficient
    lattice::ProductRates product{};
    // Both.
    double setup = 0;       ///< keys of both parties and the first exchange, once for each inference
    double efficiency = 1;  ///< the speed-up of several cores that work on the same inference, divided by their number
    // Connection: of a channel over TLS on the loopback interface, or of one in memory.
    double tls_byte = 0;  ///< processor time of both ends together for each byte
    double tls_turn = 0;  ///< what a layer takes beyond its work, without any link
    double memory_byte = 0;
    double memory_turn = 0;
};

/// Measures this machine in about a second: small private inferences between two parties in this process, and a TLS
/// connection to itself. plain_bits, share_bits: of the model that is planned; they decide about primes and bits.
Rates measure_rates(int plain_bits, int share_bits);

}  // namespace flash::planner
