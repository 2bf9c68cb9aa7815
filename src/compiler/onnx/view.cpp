#include "compiler/onnx/view.h"

#include <algorithm>

namespace flash::compiler {
namespace {

constexpr Axis kC = Axis::kChannel, kH = Axis::kRow, kW = Axis::kColumn;

}  // namespace

std::int64_t View::extent(Axis axis) const {
    return axis == kC ? shape.channels : axis == kH ? shape.height : shape.width;
}

std::vector<std::int64_t> View::dims() const {
    std::vector<std::int64_t> result;
    for (const Axes& axes : dimensions) {
        result.push_back(1);
        for (Axis axis : axes) result.back() *= extent(axis);
    }
    return result;
}

Axes View::order() const {
    Axes all;
    for (const Axes& axes : dimensions) all.insert(all.end(), axes.begin(), axes.end());
    return all;
}

bool View::in_order() const { return std::ranges::is_sorted(order()); }
bool View::image() const { return dimensions == image_view(value, shape).dimensions; }
bool View::channels_last() const { return dimensions == view_as(value, shape, {{}, {kH}, {kW}, {kC}}).dimensions; }
bool View::flat() const { return dimensions.size() == 2 && dimensions[0].empty(); }

std::optional<std::size_t> View::dimension_of(Axis axis) const {
    for (std::size_t i = 0; i < dimensions.size(); ++i)
        if (dimensions[i] == Axes{axis}) return i;
    return std::nullopt;
}

std::vector<std::int64_t> View::positions() const {
    const auto stride = [&](Axis axis) {
        return axis == kW ? std::int64_t{1} : axis == kH ? shape.width : std::int64_t{shape.height} * shape.width;
    };
    std::vector<std::int64_t> result{0};
    for (Axis axis : order()) {
        std::vector<std::int64_t> finer;
        finer.reserve(result.size() * static_cast<std::size_t>(extent(axis)));
        for (std::int64_t position : result)
            for (std::int64_t i = 0; i < extent(axis); ++i) finer.push_back(position + i * stride(axis));
        result = std::move(finer);
    }
    return result;
}

View view_as(int value, const model::Shape& shape, std::vector<Axes> dimensions) {
    View view{value, shape, std::move(dimensions)};
    for (Axes& axes : view.dimensions) std::erase_if(axes, [&](Axis axis) { return view.extent(axis) == 1; });
    return view;
}

View image_view(int value, const model::Shape& shape) { return view_as(value, shape, {{}, {kC}, {kH}, {kW}}); }

std::optional<View> reshaped(const View& view, const std::vector<std::int64_t>& dims) {
    const Axes order = view.order();
    View result = view;
    result.dimensions.assign(dims.size(), {});
    std::size_t next = 0;
    for (std::size_t i = 0; i < dims.size(); ++i)
        for (std::int64_t extent = 1; extent != dims[i]; ++next) {
            if (next == order.size() || extent > dims[i]) return std::nullopt;
            extent *= view.extent(order[next]);
            result.dimensions[i].push_back(order[next]);
        }
    if (next != order.size()) return std::nullopt;
    return result;
}

}  // namespace flash::compiler
