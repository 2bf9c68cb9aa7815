// From what calibration saw to the range that every channel must hold: how far unseen images reach beyond the seen
// ones.
//
// Polynomial networks have heavy tails: a value twice as large leaves a square four times as large. What leaves its
// range gives a wrong answer for that image. From 100 images on, the margin is therefore measured:
//   S_o   the 98% quantile over the images of channel o's largest |x|, and not below channel_floor of its natural
//         range: that of its layer's furthest channel, made smaller as the weights of channel o are
//   r_i   = max_o of the channel's largest |x| on image i / S_o: how far image i reaches, for all channels of the layer
//   together The logarithms of the largest tenth of the r_i exceed their threshold u by an exponential distribution (a
//   Pareto tail of r), whose mean gamma is the mean of the excesses (Hill's estimate), taken 1.645 standard errors
//   larger: 95% one-sided confidence. q     = u (0.1 layers / rate)^gamma: one image in 1/rate leaves some range of the
//   network
// and channel o gets the range q S_o, at least 1.25 times what was seen, at most 8 times.
// With fewer images nothing is fitted: the range is twice what was seen. Layers of sines have no range and do not
// count.
#pragma once

#include "compiler/calibrate.h"

namespace flash::compiler {

struct MarginOptions {
    double margin = 0;            ///< times the largest |x| seen; 0: measured as above
    double overflow_rate = 1e-4;  ///< of images that may leave a range of the network
    double channel_floor = 0.5;
};

enum class MarginSource {
    kGiven,     ///< by the caller
    kMeasured,  ///< from the tail of the calibration images
    kAssumed,   ///< 2: there are fewer than 100 images
};

struct LayerRange {
    std::vector<double> channels;  ///< what must fit, per channel; the same for all of the result layer
    double margin = 0;             ///< the smallest of the channels' range over the largest |x| seen
    double tail = 0;               ///< gamma; 0 unless measured
    MarginSource source = MarginSource::kGiven;
    bool periodic =
        false;  ///< of sines: nothing has to fit, `channels` are quarters of the periods, and the margin is 1

    void widen(double factor);
};

std::vector<LayerRange> choose_ranges(const Network& network, const Calibration& calibration,
                                      const MarginOptions& options);

/// Images by how far they reach in any layer, relative to its ranges: the furthest first.
std::vector<std::size_t> furthest_images(const Calibration& calibration, const std::vector<LayerRange>& ranges);

}  // namespace flash::compiler
