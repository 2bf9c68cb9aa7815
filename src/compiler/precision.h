// Chooses m of every layer, and S of sines, for one T: as many bits as the logits need, as few bytes as that leaves.
#pragma once

#include <optional>

#include "compiler/error_model.h"

namespace flash::compiler {

/// What the bits of shares and uploads cost: bytes for one bit more.
struct BitCosts {
    std::vector<double> response;  ///< [layer] of m
    std::vector<double> upload;    ///< [value] of a ciphertext's coefficients
};

/// From the default packing of the network's layers.
BitCosts bit_costs(const Network& network);

struct PrecisionLimits {
    int share_bits = 0;    ///< m of all layers but the last; 0: chosen for each
    int result_bits = 16;  ///< m of the last one, and fewer if its noise asks for it
};

struct PrecisionPlan {
    Precision precision;
    double snr_db = 0;  ///< predicted
    bool fits = false;  ///< as far as the model sees
};

/// The choice of least error for T of this width.
PrecisionPlan most_precise(const ErrorModel& model, int plain_bits, const PrecisionLimits& limits);

/// The choice of fewest bytes in the neighbourhood of `from` whose predicted SNR is at least snr_db, or close to that
/// of `from` if that is less.
PrecisionPlan cheapest(const ErrorModel& model, const PrecisionPlan& from, const BitCosts& costs, double snr_db,
                       const PrecisionLimits& limits);

}  // namespace flash::compiler
