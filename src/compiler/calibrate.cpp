#include "compiler/calibrate.h"

#include <fmt/format.h>
#include <tbb/enumerable_thread_specific.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/error.h"

namespace flash::compiler {

double Ranges::layer(std::size_t index) const { return *std::ranges::max_element(channels.at(index)); }

Ranges calibrate(const Network& network, std::span<const std::vector<float>> images, const std::function<void(double)>& progress) {
    require(!images.empty(), ErrorKind::kInvalidArgument, "no calibration images were given");
    for (std::size_t i = 0; i < images.size(); ++i) {
        if (static_cast<std::int64_t>(images[i].size()) != network.input.size())
            throw Error(ErrorKind::kInvalidArgument,
                        fmt::format("calibration image {} has {} values; the network wants {}", i, images[i].size(), network.input.size()));
        for (float pixel : images[i])
            if (!std::isfinite(pixel)) throw Error(ErrorKind::kInvalidArgument, fmt::format("calibration image {} holds a value that is not finite", i));
    }
    Ranges zero;
    for (const FloatLayer& layer : network.layers) zero.channels.emplace_back(static_cast<std::size_t>(layer.output.channels), 0.0);
    tbb::enumerable_thread_specific<Ranges> partial(zero);
    std::atomic<std::size_t> done{0};
    tbb::parallel_for(std::size_t{0}, images.size(), [&](std::size_t i) {
        Ranges& ranges = partial.local();
        for (float pixel : images[i]) ranges.input = std::max(ranges.input, std::abs(static_cast<double>(pixel)));
        network.evaluate(images[i], [&](std::size_t layer, const std::vector<double>& x) {
            std::vector<double>& channels = ranges.channels[layer];
            const std::size_t plane = x.size() / channels.size();
            for (std::size_t c = 0; c < channels.size(); ++c)
                for (std::size_t p = c * plane; p < (c + 1) * plane; ++p) {
                    if (!std::isfinite(x[p]))
                        throw Error(ErrorKind::kInvalidArgument, fmt::format("on calibration image {} the float network diverges in layer {} ({}): its values are "
                                                                             "not finite. Check the image normalisation and the training",
                                                                             i, layer, network.layers[layer].name));
                    channels[c] = std::max(channels[c], std::abs(x[p]));
                }
        });
        const std::size_t count = ++done;
        if (progress) progress(static_cast<double>(count) / static_cast<double>(images.size()));
    });
    Ranges all = zero;
    for (const Ranges& ranges : partial) {
        all.input = std::max(all.input, ranges.input);
        for (std::size_t layer = 0; layer < all.channels.size(); ++layer)
            for (std::size_t c = 0; c < all.channels[layer].size(); ++c)
                all.channels[layer][c] = std::max(all.channels[layer][c], ranges.channels[layer][c]);
    }
    return all;
}

}  // namespace flash::compiler
