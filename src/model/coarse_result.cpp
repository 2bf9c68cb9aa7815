#include "model/coarse_result.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"

namespace flash::model {

CoarseResult::CoarseResult(LayerSource& source, int bits) : source_(source), architecture_(source.architecture()) {
    Layer& result = architecture_.layers.back();
    if (bits < kMinShareBits || bits > result.share_bits)
        throw Error(ErrorKind::kInvalidArgument, fmt::format("results of {} bits; this model's can have {} to {}", bits,
                                                             kMinShareBits, result.share_bits));
    // X = acc 2^m / T: with fewer bits the same accumulator gives an X that is smaller by what the scale grows by.
    architecture_.output_scale = std::ldexp(architecture_.output_scale, result.share_bits - bits);
    result.share_bits = bits;
}

}  // namespace flash::model
