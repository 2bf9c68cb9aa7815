// The public half of a compiled model: what both parties know. Layer shapes, share widths, public scales, packing,
// the image preprocessing and the class names; no weight, no per-channel scale, no activation coefficient.
//
// A network is a chain of layers in execution order. A layer is a linear map of earlier values followed by an
// activation, a square or a sine (all layers but the last), or by the reconstruction of the result at the client (the
// last one). Value 0 is the network input; value i + 1 is the activation output of layer i. Maps are CHW, row-major.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/plain_moduli.h"
#include "scheme/parameters.h"

namespace flash::model {

// Caps of validate(): what a received architecture may make its reader allocate or loop over.
inline constexpr int kMaxLayers = 2048;
inline constexpr std::size_t kMaxArchitectureBytes = std::size_t{256} << 10;  ///< serialised: what a client accepts
inline constexpr int kMaxTerms = 64;                                          ///< per layer
inline constexpr int kMaxChannels = 65536;
inline constexpr int kMaxExtent = 4096;  ///< of maps, kernels and their reach, strides, paddings and dilations
inline constexpr std::int64_t kMaxMapValues = std::int64_t{1} << 26;  ///< channels * height * width
inline constexpr std::int64_t kMaxInnerDimension = std::int64_t{1}
                                                   << 18;  ///< channels / groups * kernel_h * kernel_w of a convolution
inline constexpr std::int64_t kMaxPoolLevel = 4096;        ///< unit of a level pooling
inline constexpr int kMinShareBits = 6, kMaxShareBits = 16;
inline constexpr int kMinUploadBits = 16, kMaxUploadBits = 32;
/// Degrees n of the rings of the linear layers, and the one of layers that name none.
inline constexpr auto kDegrees = [] {
    std::array<int, scheme::kDirectRings.size()> degrees{};
    for (std::size_t i = 0; i < degrees.size(); ++i) degrees[i] = static_cast<int>(scheme::kDirectRings[i].degree);
    return degrees;
}();
inline constexpr int kDefaultDegree = kDegrees.front();
inline constexpr int kMaxPictureExtent = 65536;
inline constexpr std::size_t kMaxNameBytes = 1024;

struct Shape {
    int channels = 0;
    int height = 0;
    int width = 0;
    std::int64_t size() const { return std::int64_t{channels} * height * width; }
    bool operator==(const Shape&) const = default;
};

/// A sliding window: kernel, stride, zero padding (top, left, bottom, right) and dilation: kernel positions lie that
/// far apart.
struct Window {
    int kernel_h = 1, kernel_w = 1;
    int stride_h = 1, stride_w = 1;
    int pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
    int dilation_h = 1, dilation_w = 1;
    bool level = false;  ///< of a sum pooling: sums of windows that hang over the border count as much as whole ones;
                         ///< see pool_levels()
    bool operator==(const Window&) const = default;
    /// Rows (columns) from the first to the last that the kernel covers.
    int reach_h() const { return (kernel_h - 1) * dilation_h + 1; }
    int reach_w() const { return (kernel_w - 1) * dilation_w + 1; }
    /// Whether it has padding on some side.
    bool padded() const { return pad_top != 0 || pad_left != 0 || pad_bottom != 0 || pad_right != 0; }
    /// Output extent on an input of this height (width): floor((extent + pads - reach) / stride) + 1; < 1 if it does
    /// not fit.
    int out_height(int height) const;
    int out_width(int width) const;
};

/// What an activation computes of X; docs/protocol.md has both.
enum class Curve {
    kSquare,  ///< X^2 + kappa X + offset
    kSine,    ///< S^2 sin(2 pi X / 2^m) + offset
};

enum class TermKind {
    kConvolution,  ///< convolution with int8 weights, dense or in groups; a fully connected layer is one whose kernel
                   ///< is the map
    kScale,        ///< per-channel multiplication by a wide integer: an identity shortcut
};

/// One summand of a layer's linear map.
struct Term {
    int source = 0;              ///< value id, smaller than or equal to the layer's index
    std::optional<Window> pool;  ///< sum pooling of the source first (local on shares; the divisor is in the weights)
    TermKind kind = TermKind::kConvolution;
    Window window;  ///< of the convolution; the 1x1 stride-1 window for kScale
    int groups =
        1;  ///< of the convolution: outputs of one of the equal parts of the channels read that part of the source only
};

/// Where a layer's operands lie in polynomials; see packing/. Chosen by the compiler or the planner, the same for both
/// parties. Layers that share uploads (packing::layer_groups) share their choice: of each field, the first one of the
/// group that is not 0 counts.
struct PackingChoice {
    int channels_per_input =
        0;  ///< g1, blocks of distinct channels in one uploaded polynomial; 0: what sends the fewest bytes by itself
    int degree = 0;  ///< n of the ring, one of kDegrees; 0: kDefaultDegree
    bool operator==(const PackingChoice&) const = default;
};

struct Layer {
    std::string name;         ///< of the ONNX node, for reports
    std::vector<Term> terms;  ///< at least one
    Shape output;
    int share_bits = 0;      ///< m: pre-activation shares live mod 2^m
    bool activation = true;  ///< false: the result layer, reconstructed by the client
    PackingChoice packing;
    int upload_bits = kMaxUploadBits;  ///< of a coefficient of the ciphertexts in which this layer's activation is
                                       ///< uploaded, at most those of q
    int plain_bits = 0;  ///< width b of the moduli of this layer's activation; 0: that of the architecture. It tells
                         ///< the layer's range to a factor of two
    Curve curve = Curve::kSquare;  ///< of its activation
    int amplitude = 0;             ///< S of a sine, one of kAmplitudes
};

/// A level pooling multiplies the sum of a window that has `rows` x `columns` pixels within the map by
/// (unit of rows / rows) * (unit of columns / columns), so that every sum is the unit times the window's mean. The unit
/// of an axis is the least common multiple of what its windows hold.
struct PoolLevels {
    std::vector<std::int64_t> rows, columns;  ///< factor of each output row and column
    std::int64_t unit = 1;                    ///< of both axes: at most kMaxPoolLevel
};
/// Of a window with `level`, or of ones where it is not set. Error(kProtocol) if a window holds no pixel or the unit is
/// too large.
PoolLevels pool_levels(const Shape& shape, const Window& window);

/// How a picture becomes the network's input: resize the short side, centre crop, scale to 0..1, (x - mean) / std.
struct Preprocessing {
    int resize = 0;  ///< short side after resizing; 0 = none
    int crop_height = 0, crop_width = 0;
    std::vector<float> mean, std;  ///< per channel, of pixels in 0..1
};

struct Architecture {
    std::string name;
    SlotChoice slots;
    int plain_bits = 0;         ///< width b of the plaintext moduli, where a layer names no other
    bool trust_server = false;  ///< one key of the linear layers serves all depths: private from a server that follows
                                ///< the protocol only
    Shape input;
    double input_scale = 0;                  ///< integer input Y = round(x / input_scale)
    std::int32_t input_limit = 0;            ///< |Y| is clamped to this
    int input_upload_bits = kMaxUploadBits;  ///< of a coefficient of the ciphertexts in which the input is uploaded
    Preprocessing preprocessing;
    std::vector<std::string> classes;  ///< empty if the model does not name them
    std::vector<Layer> layers;
    double output_scale = 0;  ///< result = output_scale * X of the last layer, the same for every output

    /// Shape of a value (0 = input, i + 1 = output of layer i).
    const Shape& value_shape(int value) const;
    /// Shape after a term's pooling (equals the source's shape when there is none).
    Shape pooled_shape(const Term& term) const;
    /// Weights per output channel of a convolution term: channels / groups * kernel_h * kernel_w.
    std::int64_t fan_in(const Term& term) const;
    /// Top bits of a ciphertext coefficient that travel when this value is uploaded, in a ring that has as many.
    int upload_bits(int value) const;
    /// Width of the moduli of a value.
    int plain_bits_of(int value) const;
    /// T_i of a channel of a value: of its share, of its activation, and of its uploads.
    std::uint32_t plain_modulus(int value, int channel) const;
    /// The same for all channels.
    std::vector<std::uint32_t> channel_moduli(int value) const;
    /// All moduli that a layer's sources live modulo, each once; the first one is that of the bias: T_1 of the width of
    /// the first term's source.
    std::vector<std::uint32_t> layer_moduli(int layer) const;
    std::uint32_t bias_modulus(int layer) const;
    const Shape& output_shape() const { return layers.back().output; }
    /// Whether a layer's X counts mod 2^m: its activation is periodic, so it has no range to leave.
    bool periodic(std::size_t layer) const { return layers[layer].activation && layers[layer].curve == Curve::kSine; }
    /// Activation values per inference.
    std::int64_t activation_values() const;
};

/// Checks everything another party could have got wrong: ids in range and topological, shapes that follow from the
/// windows, extents and counts under fixed caps (so that nothing huge is allocated), plaintext moduli that exist, m in
/// 6..16, finite positive scales. Throws Error(kProtocol) naming the layer. Both files and handshakes go through it.
void validate(const Architecture& architecture);

/// Depth of every value of a validated architecture, by value id: 0 for the input; a layer's values are one deeper than
/// the deepest value that it reads. Last comes the result.
std::vector<int> value_depths(const Architecture& architecture);

}  // namespace flash::model
