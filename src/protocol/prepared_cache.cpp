#include "protocol/prepared_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "packing/taps.h"
#include "scheme/direct.h"

namespace flash::protocol {

namespace {

// Words are written and read as they lie in memory; a big-endian machine would have to swap.
static_assert(std::endian::native == std::endian::little);

constexpr std::array<std::uint8_t, 8> kMagic{'F', 'L', 'A', 'S', 'H', 'P', 'R', 'E'};
/// Also to be raised when layer(a) changes in a way that derivation() below does not see.
constexpr std::uint32_t kVersion = 1;

constexpr std::size_t kVersionAt = 8, kFingerprintAt = 12, kDerivationAt = 44, kLayersAt = 76, kSizesAt = 80;
/// Read and hashed at a time: stays in the cache of the core between the two.
constexpr std::size_t kChunkBytes = std::size_t{1} << 17;

/// SHA-256 over a list of integers, each as 8 bytes in two's complement.
class NumberDigest {
public:
    void add(std::int64_t number) {
        if (used_ == buffer_.size()) flush();
        for (int i = 0; i < 8; ++i)
            buffer_[used_++] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(number) >> (8 * i));
    }
    Sha256 finish() {
        flush();
        return stream_.finish();
    }

private:
    void flush() {
        stream_.add(std::span(buffer_).first(used_));
        used_ = 0;
    }
    Sha256Stream stream_;
    std::array<std::uint8_t, 4096> buffer_;
    std::size_t used_ = 0;
};

void add(NumberDigest& digest, const packing::Grid& grid) {
    for (int number : {grid.degree, grid.row_stride, grid.row_base, grid.band_rows, grid.spacing,
                       grid.channels_per_input, grid.channels_per_output, static_cast<int>(grid.banded)})
        digest.add(number);
}

/// Everything beside the model that layer(a) is made from: the ring, how the public polynomials are expanded, what the
/// planner chose, and the shifts that follow from it. A program that differs in any of them computes other halves.
Sha256 derivation(const model::Architecture& architecture, const packing::Plan& plan, const Sha256& fingerprint) {
    NumberDigest digest;
    for (const scheme::DirectRing& ring : scheme::kDirectRings) {
        digest.add(static_cast<std::int64_t>(ring.degree));
        digest.add(ring.modulus_bits);
    }
    // One expanded polynomial stands for the expansion: a change of the generator or of its labels shows in it.
    scheme::Poly32 sample(scheme::kMaxDirectDegree);
    scheme::PublicPolynomials(fingerprint).upload({}, sample);
    for (std::uint32_t word : sample) digest.add(word);

    digest.add(static_cast<std::int64_t>(plan.streams.size()));
    for (const packing::Stream& stream : plan.streams) {
        add(digest, stream.grid);
        digest.add(static_cast<std::int64_t>(stream.submaps.size()));
        for (const packing::Submap& submap : stream.submaps) {
            digest.add(submap.row);
            digest.add(submap.column);
        }
        for (int number : {stream.source, stream.stride_h, stream.stride_w, stream.shape.channels, stream.shape.height,
                           stream.shape.width, stream.rows_per_band, stream.bands, stream.polynomials_per_band})
            digest.add(number);
    }
    digest.add(static_cast<std::int64_t>(plan.layers.size()));
    for (std::size_t l = 0; l < plan.layers.size(); ++l) {
        const packing::LinearPlan& linear = plan.layers[l];
        add(digest, linear.grid);
        digest.add(linear.bands);
        digest.add(linear.polynomials_per_band);
        digest.add(static_cast<std::int64_t>(linear.term_streams.size()));
        for (std::size_t t = 0; t < linear.term_streams.size(); ++t) {
            const packing::Stream& stream = plan.streams[static_cast<std::size_t>(linear.term_streams[t])];
            const auto taps = packing::taps_of(stream, architecture.layers[l].terms[t].window);
            digest.add(linear.term_streams[t]);
            digest.add(static_cast<std::int64_t>(taps.size()));
            for (const packing::Tap& tap : taps) {
                for (int number : {tap.submap, tap.dy, tap.dx}) digest.add(number);
                for (int packed = 0; packed < linear.grid.channels_per_input; ++packed)
                    for (int slot = 0; slot < linear.grid.channels_per_output; ++slot)
                        digest.add(packing::shift_of(linear.grid, packed, slot, tap));
            }
        }
    }
    return digest.finish();
}

template <class Integer>
void put_le(std::vector<std::uint8_t>& out, Integer value) {
    for (std::size_t i = 0; i < sizeof(Integer); ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

std::span<const std::uint8_t> bytes_of(std::span<const std::uint32_t> words) {
    return {reinterpret_cast<const std::uint8_t*>(words.data()), words.size_bytes()};
}

CacheReading ignored(std::string problem, bool replaceable = true) {
    return {false, {}, std::move(problem), replaceable};
}

/// Fills the span from an offset of the file.
using ReadAt = std::function<void(std::uint64_t, std::span<std::uint8_t>)>;

/// Error(kFile) from read_at passes through.
CacheReading read(const ReadAt& read_at, std::uint64_t size, const CacheLayout& layout) {
    const std::vector<std::uint8_t>& expected = layout.header;
    std::vector<std::uint8_t> found(static_cast<std::size_t>(std::min<std::uint64_t>(size, expected.size())));
    read_at(0, found);
    if (!std::equal(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(std::min(found.size(), kMagic.size())),
                    kMagic.begin()))
        return ignored("it is no cache of Flash and is left as it is", false);

    struct Field {
        std::size_t begin, end;
        const char* problem;
    };
    const Field fields[] = {
        {kVersionAt, kFingerprintAt, "it has another format version"},
        {kFingerprintAt, kDerivationAt, "it belongs to another model"},
        {kDerivationAt, kLayersAt, "it was made under another packing plan or by another version of the program"},
        {kLayersAt, expected.size(), "its sizes are not those of the model's layers"}};
    for (const Field& field : fields) {
        if (found.size() < field.end)
            return ignored(fmt::format("it is truncated: {} of {} bytes", size, layout.file_bytes()));
        if (std::memcmp(found.data() + field.begin, expected.data() + field.begin, field.end - field.begin) != 0)
            return ignored(field.problem);
    }
    if (size < layout.file_bytes())
        return ignored(fmt::format("it is truncated: {} of {} bytes", size, layout.file_bytes()));
    if (size > layout.file_bytes()) return ignored("it has bytes after its end");

    // From here on the sizes are the plan's: what computing the halves would allocate as well.
    CacheReading reading;
    Sha256Stream hash;
    hash.add(found);
    std::uint64_t at = found.size();
    reading.halves.reserve(layout.words.size());
    for (std::size_t words : layout.words) {
        std::vector<std::uint32_t>& a = reading.halves.emplace_back(words);
        std::span<std::uint8_t> left(reinterpret_cast<std::uint8_t*>(a.data()), words * sizeof(std::uint32_t));
        while (!left.empty()) {
            // What is hashed is the copy that will be used: the file may change at any time.
            const auto chunk = left.first(std::min(left.size(), kChunkBytes));
            read_at(at, chunk);
            hash.add(chunk);
            at += chunk.size();
            left = left.subspan(chunk.size());
        }
    }
    Sha256 checksum;
    read_at(at, checksum);
    if (checksum != hash.finish()) return ignored("it is corrupt: its checksum does not match");
    reading.used = true;
    return reading;
}

}  // namespace

std::uint64_t CacheLayout::file_bytes() const {
    std::uint64_t bytes = header.size() + sizeof(Sha256);
    for (std::size_t count : words) bytes += std::uint64_t{count} * sizeof(std::uint32_t);
    return bytes;
}

CacheLayout cache_layout(const model::Architecture& architecture, const packing::Plan& plan,
                         const Sha256& fingerprint) {
    CacheLayout layout;
    layout.header.assign(kMagic.begin(), kMagic.end());
    put_le(layout.header, kVersion);
    layout.header.insert(layout.header.end(), fingerprint.begin(), fingerprint.end());
    const Sha256 digest = derivation(architecture, plan, fingerprint);
    layout.header.insert(layout.header.end(), digest.begin(), digest.end());
    put_le(layout.header, static_cast<std::uint32_t>(plan.layers.size()));
    for (const packing::LinearPlan& linear : plan.layers) {
        layout.words.push_back(static_cast<std::size_t>(linear.polynomials()) * linear.degree());
        put_le(layout.header, std::uint64_t{layout.words.back()});
    }
    require(layout.header.size() == kSizesAt + 8 * plan.layers.size(), ErrorKind::kInternal,
            "cache: the header has another size than its fields");
    return layout;
}

CacheReading parse_cache(std::span<const std::uint8_t> bytes, const CacheLayout& layout) {
    const auto read_at = [&](std::uint64_t offset, std::span<std::uint8_t> out) {
        require(offset <= bytes.size() && out.size() <= bytes.size() - offset, ErrorKind::kInternal,
                "cache: read past its end");
        std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    };
    return read(read_at, bytes.size(), layout);
}

CacheReading read_cache(const std::filesystem::path& path, const CacheLayout& layout) {
    std::error_code error;
    if (std::filesystem::symlink_status(path, error).type() == std::filesystem::file_type::not_found) return {};
    try {
        const RandomAccessFile file(path.string());
        try {
            return read([&](std::uint64_t offset, std::span<std::uint8_t> out) { file.read_at(offset, out); },
                        file.size(), layout);
        } catch (const Error& failure) {  // a bad block, or cut short while it was read
            if (failure.kind() != ErrorKind::kFile) throw;
            return ignored(failure.what());
        }
    } catch (const Error& failure) {  // a folder, a device, a file that may not be read: nobody knows what it holds
        if (failure.kind() != ErrorKind::kFile) throw;
        return ignored(failure.what(), false);
    }
}

void write_cache(const std::filesystem::path& path, const CacheLayout& layout,
                 std::span<const std::span<const std::uint32_t>> halves) {
    require(halves.size() == layout.words.size(), ErrorKind::kInternal, "cache: wrong number of layers");
    std::vector<std::span<const std::uint8_t>> parts{layout.header};
    for (std::size_t l = 0; l < halves.size(); ++l) {
        require(halves[l].size() == layout.words[l], ErrorKind::kInternal, "cache: wrong size of a layer");
        parts.push_back(bytes_of(halves[l]));
    }
    Sha256Stream hash;
    for (const auto& part : parts) hash.add(part);
    const Sha256 checksum = hash.finish();
    parts.push_back(checksum);
    write_file(path, parts);
}

}  // namespace flash::protocol
