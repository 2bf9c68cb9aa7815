// Epochs of a model's public polynomials. The `a` of uploads are the same in all inferences, so that work on their
// lattices can be spread over many; a server may renew them without becoming another model: they are then expanded from
// its fingerprint and a random number that the server tells in its hello. That helps against others than the server
// itself, which can keep an epoch, or prepare for the next one.
#pragma once

#include "base/hash.h"
#include "base/random.h"

namespace flash::protocol {

/// Zero: none was begun, and the fingerprint alone counts.
using Epoch = PublicSeed;

/// What the public polynomials of a model are expanded from.
inline Sha256 polynomial_seed(const Sha256& fingerprint, const Epoch& epoch) {
    return epoch == Epoch{} ? fingerprint : sha256_parts({fingerprint, epoch});
}

}  // namespace flash::protocol
