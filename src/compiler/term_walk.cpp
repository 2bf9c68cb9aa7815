#include "compiler/term_walk.h"

namespace flash::compiler {
namespace {

/// Of the output positions, the share at which the pixel `at` pixels into the kernel lies within the map.
double share_inside(int at, int stride, int pad, int extent, int outputs) {
    int count = 0;
    for (int y = 0; y < outputs; ++y) count += y * stride - pad + at >= 0 && y * stride - pad + at < extent;
    return static_cast<double>(count) / outputs;
}

double inside(int kernel, int stride, int pad, int extent, int outputs) {
    double sum = 0;
    for (int at = 0; at < kernel; ++at) sum += share_inside(at, stride, pad, extent, outputs);
    return sum;
}

}  // namespace

Coverage coverage(const Network& network, const FloatLayer& layer, const FloatTerm& term) {
    Coverage result;
    const model::Shape pooled = network.pooled_shape(term);
    if (term.pool) {  // the window's size, less what hangs over the border
        const model::Shape& shape = network.value_shape(term.source);
        const double area =
            inside(term.pool->kernel_h, term.pool->stride_h, term.pool->pad_top, shape.height, pooled.height) *
            inside(term.pool->kernel_w, term.pool->stride_w, term.pool->pad_left, shape.width, pooled.width);
        result.sum = term.pool->level ? static_cast<double>(model::pool_levels(shape, *term.pool).unit) : area;
        result.independent = result.sum * result.sum / area;
    }
    for (int y = 0; y < term.window.kernel_h; ++y)
        for (int x = 0; x < term.window.kernel_w; ++x)
            result.seen.push_back(share_inside(y * term.window.dilation_h, term.window.stride_h, term.window.pad_top,
                                               pooled.height, layer.output.height) *
                                  share_inside(x * term.window.dilation_w, term.window.stride_w, term.window.pad_left,
                                               pooled.width, layer.output.width));
    return result;
}

}  // namespace flash::compiler
