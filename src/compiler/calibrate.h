// What the compiler learns of a network from calibration images: ranges and powers, in one pass over the images.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/error.h"
#include "compiler/network.h"

namespace flash::compiler {

/// Of one channel of a layer's pre-activation x and of its activation y, over all images and
/// positions.
struct ChannelStatistics {
    double largest = 0;   ///< |x|
    double power = 0;     ///< E[x^2]
    double mean = 0;      ///< E[y]
    double variance = 0;  ///< of y within an image, from place to place
    double common = 0;  ///< variance of the mean of y over an image. What is common to all images does not matter: the
                        ///< bias gives it back
};

/// Activations at random places of some images, less their mean: what channels have in common there.
class Samples {
public:
    Samples() = default;
    Samples(std::size_t channels, std::size_t count) : count_(count), values_(channels * count) {}
    std::size_t count() const { return count_; }
    std::span<float> of(std::size_t channel) { return std::span(values_).subspan(channel * count_, count_); }
    std::span<const float> of(std::size_t channel) const {
        return std::span(values_).subspan(channel * count_, count_);
    }
    /// To be called once, when all values are there.
    void centre();
    /// Every second sample, from the first or the second on.
    Samples half(std::size_t first) const;
    /// The multiple of a channel that is nearest to `left`.
    double feedback(std::size_t channel, std::span<const float> left) const;

private:
    std::size_t count_ = 0;
    std::vector<float> values_;   // [channel][sample]
    std::vector<float> inverse_;  // [channel] of the sum of squares; 0 for a channel without values
};

struct Calibration {
    std::int64_t images = 0;
    std::vector<std::vector<ChannelStatistics>> layers;  ///< [layer][channel]
    std::vector<ChannelStatistics> input;                ///< [channel]; only largest and what is said of y
    std::vector<std::vector<float>>
        maxima;  ///< [layer][image * channels + channel]: largest |x| of a channel on an image
    std::vector<std::vector<double>> logits;  ///< [image]
    std::vector<Samples> samples;             ///< [value]; of small neighbourhoods of places

    double largest_input() const;
    double largest(std::size_t layer) const;  ///< |x| of a layer
    /// Mean power of an image's logits about their mean: what is common to all classes changes no class.
    double logit_power() const;
};

/// Runs the images on all cores. progress: fraction in 0..1, from any thread. Error(kInvalidArgument): no image, or an
/// image of the wrong size; Error(kRange): one that drives the network to values that are not finite, or too large.
/// failures: of each image, takes such errors instead; what is found on all images together is then of no use.
Calibration calibrate(const Network& network, std::span<const std::vector<float>> images,
                      const std::function<void(double)>& progress,
                      std::vector<std::optional<Error>>* failures = nullptr);

}  // namespace flash::compiler
