// A model of one layer, and connections that give up soon: for peers that do not keep to the protocol.
#pragma once

#include <chrono>

#include "protocol/prepared_model.h"
#include "support/random_model.h"
#include "transport/loopback.h"

namespace flash::protocol {

using namespace std::chrono_literals;

inline const PreparedModel& small_model() {
    static const PreparedModel model(flash::testing::single_convolution({2, 9, 9}, 3, {3, 3, 1, 1, 1, 1, 1, 1}, 77));
    return model;
}

inline transport::LoopbackOptions quick() {
    transport::LoopbackOptions options;
    options.limits.timeout = 1000ms;  // long enough for a slow machine to answer in, short enough to wait for
    return options;
}

}  // namespace flash::protocol
