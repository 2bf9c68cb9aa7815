// Where values lie in polynomials, for every layer of a network. Both parties compute the same plan from the public
// architecture alone.
//
// Direct encoding (protocol.md, "Packing"): a map is laid out row by row with a row stride S wide enough that the
// unused columns serve as zero padding, so that a convolution is a sum of integer weights times X^k times input
// polynomials.
//   * A stride s splits a map into s x s submaps: each holds every s-th row and every s-th column, from its own first
//     ones on. Each submap of each channel is then convolved with stride 1.
//   * Small maps: `blocks` = n / spacing blocks fit in a polynomial. g1 = channels_per_input distinct channels are
//     packed in one uploaded polynomial, and outputs are placed g1 blocks apart, so
//     g2 = channels_per_output = blocks / g1 outputs
//     share a result. Blocks that are not output blocks hold meaningless sums; they are masked like everything else and
//     never sent.
//   * Maps larger than n are cut into bands of output rows; a band's input carries the halo rows it needs.
// Layers that read the same value with the same stride share one upload ("stream") and therefore one Grid, and one
// ring: its degree n. Where keys have levels (packing/levels.h), only layers of one depth share: each depth has keys of
// its own, and a value that is read at several depths is uploaded once for each.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "lattice/coefficient_tiles.h"
#include "model/architecture.h"
#include "scheme/direct.h"

namespace flash::packing {

/// Geometry shared by the streams and results of a group of layers.
struct Grid {
    int degree = model::kDefaultDegree;  ///< n
    int row_stride = 0;                  ///< S
    int row_base = 0;             ///< local row of the band's first output row: halo rows above it (0 when not banded)
    int band_rows = 0;            ///< output rows per band
    int spacing = 0;              ///< D: coefficients from one block to the next
    int channels_per_input = 1;   ///< g1
    int channels_per_output = 1;  ///< g2
    bool banded = false;

    const scheme::DirectRing& ring() const { return scheme::direct_ring(degree); }
    /// Coefficient of output or submap row `row`, column `column` of block `block`, in band `band`.
    int position(int block, int band, int row, int column) const {
        return block * spacing + (row - band * band_rows + row_base) * row_stride + column;
    }
};

/// One of the parts into which a stride splits a map.
struct Submap {
    int row = 0, column = 0;  ///< of the map: its first ones
};

/// A key of the linear layers: those of one depth (or all: scheme::kAllDepths) in one ring.
struct KeyName {
    int depth = scheme::kAllDepths;
    std::size_t degree = model::kDefaultDegree;
    bool operator==(const KeyName&) const = default;
    /// By depth; within one in the order of scheme::kDirectRings.
    bool operator<(const KeyName& other) const {
        return depth != other.depth ? depth < other.depth
                                    : scheme::direct_ring_index(degree) < scheme::direct_ring_index(other.degree);
    }
};

/// One upload: a value (possibly pooled), split in submaps and packed. The client encrypts its share of it, the server
/// adds its own.
struct Stream {
    int source = 0;                  ///< value id
    int depth = scheme::kAllDepths;  ///< of the layers that read it, and of its key
    std::optional<model::Window> pool;
    int stride_h = 1, stride_w = 1;
    model::Shape shape;           ///< of the pooled source
    std::vector<Submap> submaps;  ///< those that some layer reads
    Grid grid;
    int rows_per_band = 0;  ///< submap rows held by one band, halo included
    int bands = 1;
    int polynomials_per_band = 0;
    /// Coefficients of a ciphertext that some result depends on: only these travel. Ascending, the same for every
    /// polynomial.
    std::vector<lattice::CoefficientRange> sent;
    int upload_bits = 0;  ///< of a coefficient that travels: the value's, at most those of q
    int first_layer = 0;  ///< uploaded before this layer
    int last_layer = 0;   ///< last layer that reads it

    int polynomials() const { return bands * polynomials_per_band; }
    std::size_t degree() const { return static_cast<std::size_t>(grid.degree); }
    KeyName key() const { return {depth, degree()}; }
    /// Coefficients that travel of one polynomial.
    std::size_t sent_coefficients() const;
    /// Low bytes of a received coefficient that are zero: (32 - upload_bits) / 8.
    int zero_low_bytes() const { return (32 - upload_bits) / 8; }
    /// Channels are packed submap by submap, so that a stride that needs one submap reads few polynomials.
    int packed_channels() const { return static_cast<int>(submaps.size()) * shape.channels; }
};

struct LinearPlan {
    Grid grid;
    int depth = scheme::kAllDepths;  ///< of the keys of its uploads and of its results
    int bands = 1;
    int polynomials_per_band = 0;   ///< result ciphertexts per band
    std::vector<int> term_streams;  ///< stream of each term
    std::vector<int> uploads;       ///< streams that are uploaded before this layer
    /// Where the results of a polynomial are computed, and that of the last band, which may have fewer rows.
    lattice::CoefficientTiles tiles, last_tiles;
    /// The coefficients that carry the results of a whole polynomial, in their order, and those of the last band.
    std::vector<std::uint16_t> positions, last_positions;

    int polynomials() const { return bands * polynomials_per_band; }
    std::size_t degree() const { return static_cast<std::size_t>(grid.degree); }
    KeyName key() const { return {depth, degree()}; }
    const lattice::CoefficientTiles& tiles_of_band(int band) const { return band + 1 == bands ? last_tiles : tiles; }
    /// Words of a band's result polynomials in compact form.
    std::size_t result_words(int band) const {
        return static_cast<std::size_t>(polynomials_per_band) * tiles_of_band(band).words();
    }
};

struct Plan {
    std::vector<Stream> streams;
    std::vector<LinearPlan> layers;
    std::vector<int> value_depths;  ///< by value id, as model::value_depths

    /// Whether every depth has keys of its own; otherwise one in each ring serves all.
    bool has_levels() const { return streams.front().depth != scheme::kAllDepths; }
    /// The keys that some stream is encrypted under, ascending.
    std::vector<KeyName> keys() const;
    /// Degrees of the rings that some stream is in, in the order of scheme::kDirectRings.
    std::vector<std::size_t> degrees() const;
};

/// Consecutive results, a row of a map: elements (CHW indices of the layer's output) and the coefficients that carry
/// them.
struct ResultRun {
    std::uint32_t element = 0;
    std::uint32_t position = 0;
    std::uint32_t count = 0;
};

/// Caps on what a plan may ask of a client that got the architecture from a server.
inline constexpr std::int64_t kMaxPolynomials = std::int64_t{1}
                                                << 20;  ///< of one stream or one layer's results, and of all together
inline constexpr std::int64_t kMaxSubmaps = 4096;       ///< stride_h * stride_w of a stream
inline constexpr std::int64_t kMaxPlanSteps = std::int64_t{1} << 28;  ///< shifts and ranges looked at while planning
inline constexpr std::int64_t kMaxPoolAdditions = std::int64_t{1} << 31;  ///< of one stream

/// Plans a validated architecture. Error(kUnsupported) naming the layer if a single row of a map does not fit in a
/// polynomial, if a cap above is passed, or if the picture would be uploaded in a small ring where keys have levels;
/// Error(kProtocol) if the layers of a group name different rings or more channels than fit.
Plan make_plan(const model::Architecture& architecture);

/// Whether two terms of one layer read the same upload: the same source with the same pooling and stride.
bool same_stream(const model::Term& a, const model::Term& b);
/// Layers that share streams, directly or through each other, and so their grid and ring: their indices, ascending;
/// groups by their first.
std::vector<std::vector<std::size_t>> layer_groups(const model::Architecture& architecture);
/// What the layers of a group ask for together, with the degree that they get where they name none. Error(kProtocol) if
/// they name different rings.
model::PackingChoice choice_of(const model::Architecture& architecture, const std::vector<std::size_t>& group);

/// The grid that a group has under a choice, without the rest of the plan. Errors as make_plan.
Grid grid_of(const model::Architecture& architecture, const std::vector<std::size_t>& group,
             const model::PackingChoice& choice);
/// The grid of every layer, as make_plan() gives it.
std::vector<Grid> layer_grids(const model::Architecture& architecture);

/// Packs a (pooled) CHW map, given as residues, into one polynomial of a stream: out has n words, zero where nothing is
/// packed.
void pack(const Stream& stream, int polynomial, std::span<const std::uint32_t> values, std::span<std::uint32_t> out);
/// The same of a share: what is packed has the depth of what it is packed from. The result is a view of `out`.
scheme::LevelledShare pack(const Stream& stream, int polynomial, const scheme::LevelledShare& share,
                           std::span<std::uint32_t> out);

/// The results that one result polynomial of a layer carries, by increasing position.
std::vector<ResultRun> result_runs(const LinearPlan& plan, const model::Shape& output, int polynomial);
/// The same as coefficients alone: a view of LinearPlan::positions or last_positions.
std::span<const std::uint16_t> result_positions(const LinearPlan& plan, const model::Shape& output, int polynomial);
/// How many those are.
std::size_t result_count(const LinearPlan& plan, const model::Shape& output, int polynomial);

}  // namespace flash::packing
