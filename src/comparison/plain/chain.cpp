#include "comparison/plain/chain.h"

#include <omp.h>

#include <algorithm>

#include "base/error.h"

namespace flash::comparison {

using dnnl::memory;

Chain::Chain(const Choice& choice) : choice_(choice) { omp_set_num_threads(choice_.threads); }

void Chain::run() {
    omp_set_num_threads(choice_.threads);
    for (const std::function<void()>& step : steps_) step();
    stream_.wait();
}

std::vector<float> Chain::compute(std::span<const float> picture) {
    require(ends_ && ends_->first.get_desc().get_size() == picture.size_bytes(), ErrorKind::kInvalidArgument,
            "the plain network does not take such a picture");
    std::ranges::copy(picture, static_cast<float*>(ends_->first.get_data_handle()));
    run();
    const memory::dims dims = ends_->second.get_desc().dims();
    std::int64_t count = 1;
    for (std::int64_t extent : dims) count *= extent;
    std::vector<float> results(static_cast<std::size_t>(count));
    memory plain({dims, kFloat, memory::format_tag::abcd}, engine_, results.data());
    dnnl::reorder(ends_->second, plain).execute(stream_, ends_->second, plain);
    stream_.wait();
    return results;
}

memory Chain::filled(const memory::desc& description, float size) {
    memory result(description, engine_);
    auto* data = static_cast<float*>(result.get_data_handle());
    std::uniform_real_distribution<float> value(-size, size);
    for (std::size_t i = 0; i < description.get_size() / sizeof(float); ++i) data[i] = value(random_);
    return result;
}

memory Chain::holding(const memory::desc& description, const memory::desc& plain, std::span<const float> numbers) {
    require(plain.get_size() == numbers.size_bytes(), ErrorKind::kInternal,
            "the plain network has a wrong number of weights");
    memory given(plain, engine_), result(description, engine_);
    std::ranges::copy(numbers, static_cast<float*>(given.get_data_handle()));
    dnnl::reorder(given, result).execute(stream_, given, result);
    stream_.wait();
    return result;
}

const memory& Chain::keep(memory memory) { return kept_.emplace_back(std::move(memory)); }

void Chain::name(const std::string& implementation) {
    if (implementation_.find(implementation) == std::string::npos)
        implementation_ += (implementation_.empty() ? "" : ", ") + implementation;
}

memory::dims dims_of(const model::Shape& s) { return {1, s.channels, s.height, s.width}; }

dnnl::convolution_forward::primitive_desc describe_convolution(const dnnl::engine& engine, dnnl::algorithm kind,
                                                               const memory::desc& source, const memory::desc& result,
                                                               const model::Window& w, bool bias,
                                                               const dnnl::post_ops& ops, int groups) {
    const std::int64_t inputs = source.dims()[1], outputs = result.dims()[1];
    memory::dims shape{outputs / groups, inputs / groups, w.kernel_h, w.kernel_w};
    if (groups > 1) shape.insert(shape.begin(), groups);
    const memory::desc weights(shape, kFloat, kAnyLayout), biases({outputs}, kFloat, kAnyLayout);
    const memory::dims strides{w.stride_h, w.stride_w}, before{w.pad_top, w.pad_left}, after{w.pad_bottom, w.pad_right};
    const memory::dims gaps{w.dilation_h - 1, w.dilation_w - 1};  // pixels left out between two that the kernel meets
    dnnl::primitive_attr attributes;
    attributes.set_post_ops(ops);
    using Description = dnnl::convolution_forward::desc;
    const auto forward = dnnl::prop_kind::forward_inference;
    const Description description =
        bias ? Description(forward, kind, source, weights, biases, result, strides, gaps, before, after)
             : Description(forward, kind, source, weights, result, strides, gaps, before, after);
    return {description, attributes, engine};
}

}  // namespace flash::comparison
