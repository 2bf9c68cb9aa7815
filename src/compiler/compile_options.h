// What a user of the compiler may choose.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "model/plain_moduli.h"
#include "planner/choose_slots.h"

namespace flash::compiler {

struct CompileOptions {
    std::string name;  ///< overrides the name from the file when not empty
    double margin =
        0;  ///< every calibrated range is multiplied by this before it must fit T/4; 0: measured, see compiler/margin.h
    double overflow_rate = 1e-4;  ///< of images that may leave a range of the network, where the margin is measured
    double channel_floor = 0.5;   ///< a channel's range is taken to be at least this fraction of its layer's largest
    int share_bits = 0;           ///< m of all layers, 6..16; 0: chosen for each
    int plain_bits = 0;           ///< T are the largest suitable primes below 2^plain_bits, 20..28; 0: chosen of 24..28
    std::optional<model::SlotChoice> slots;  ///< degree of the rings of the activations, and values in a slot; none:
                                             ///< chosen of scheme::kCompositeShapes
    std::optional<planner::Timing> timing;   ///< slots are chosen for the least time; none: for the fewest bytes
    bool trust_server = false;               ///< of the architecture
    int result_bits = 16;                    ///< m of the result layer
    bool small_ring =
        true;  ///< linear layers may be in the small ring, where that sends less (packing/choose_packing.h)
    /// Measured on the released networks: from 25 dB on, more does not show in the accuracy, and costs bytes.
    double target_snr_db = 25;  ///< signal to quantisation noise of the logits that is good enough
    double least_snr_db = 3;    ///< a network that keeps less is refused
    /// Called now and then with a fraction in 0..1 and what is being done; possibly from another thread.
    std::function<void(double fraction, const std::string& phase)> progress;
};

}  // namespace flash::compiler
