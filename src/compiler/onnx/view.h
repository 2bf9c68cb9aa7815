// How a tensor of an ONNX graph shows a map [C, H, W]. Reshaping and transposing change the view, never the map.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "model/architecture.h"

namespace flash::compiler {

enum class Axis : std::uint8_t { kChannel, kRow, kColumn };
using Axes = std::vector<Axis>;

struct View {
    int value = 0;  ///< of the OperationGraph
    model::Shape shape;
    std::vector<Axes> dimensions;  ///< the axes that each of the tensor's dimensions runs over, the slowest first;
                                   ///< those of extent 1 are left out
    std::array<int, 4> pads{};     ///< zeros that a Pad put around the map: top, left, bottom, right

    std::int64_t extent(Axis axis) const;
    std::vector<std::int64_t> dims() const;  ///< without the pads
    Axes order() const;                      ///< of all dimensions together
    bool in_order() const;                   ///< channels, rows, columns, as in the map itself
    bool image() const;                      ///< [1, C, H, W]
    bool channels_last() const;              ///< [1, H, W, C]
    bool flat() const;                       ///< [1, all axes]
    bool padded() const { return pads != std::array<int, 4>{}; }
    /// The dimension that runs over this axis alone; nothing if there is none, or the axis has extent 1.
    std::optional<std::size_t> dimension_of(Axis axis) const;
    /// The index in the map [C, H, W] of every element of the tensor, in its order.
    std::vector<std::int64_t> positions() const;
};

/// A view with these dimensions; axes of extent 1 may be among them.
View view_as(int value, const model::Shape& shape, std::vector<Axes> dimensions);
/// The view [1, C, H, W].
View image_view(int value, const model::Shape& shape);
/// The same elements in the same order, with other dimensions; nothing if one of them would divide an axis.
std::optional<View> reshaped(const View& view, const std::vector<std::int64_t>& dims);

}  // namespace flash::compiler
