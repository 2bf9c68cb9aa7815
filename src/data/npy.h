// NumPy's .npy files: a dictionary in text with type and shape, then the raw elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/file.h"

namespace flash::data {

struct NpyArray {
    std::vector<std::size_t> shape;  ///< empty: a scalar
    std::vector<float> values;       ///< row-major (C order)
};

/// Element types that can be read; all are converted to float. Little-endian only.
enum class NpyType {
    kBool,
    kInt8,
    kUint8,
    kInt16,
    kUint16,
    kInt32,
    kUint32,
    kInt64,
    kUint64,
    kFloat16,
    kFloat32,
    kFloat64
};

struct NpyHeader {
    NpyType type = NpyType::kFloat32;
    std::vector<std::size_t> shape;
    std::size_t item_bytes = 4;
    std::size_t count = 1;        ///< elements; at most kNpyMaxElements
    std::size_t data_offset = 0;  ///< of the first element in the file
    /// Size that the file must have, to the byte.
    std::uint64_t file_bytes() const { return data_offset + std::uint64_t{item_bytes} * count; }
};

inline constexpr std::size_t kNpyMaxHeaderBytes = 64 * 1024;
inline constexpr std::size_t kNpyMaxDimensions = 8;
inline constexpr std::uint64_t kNpyMaxElements = std::uint64_t{1} << 36;
/// Cap of elements that are read at once; larger files are for NpyFile.
inline constexpr std::uint64_t kNpyMaxElementsAtOnce = std::uint64_t{1} << 28;

/// Parses magic, version (1, 2 or 3) and dictionary from the first bytes of a file. `name` is for messages.
/// Throws Error(kFile) if it is no .npy file or is malformed, Error(kUnsupported) for big-endian, Fortran-ordered or
/// structured data and for other element types.
NpyHeader parse_npy_header(std::span<const std::uint8_t> bytes, const std::string& name);

/// A whole file held in memory. The size of `bytes` must be exactly what the header announces.
NpyArray parse_npy(std::span<const std::uint8_t> bytes, const std::string& name);

NpyArray read_npy(const std::string& path);

/// A file whose header has been read and whose size has been checked; elements are read when asked for.
class NpyFile {
public:
    explicit NpyFile(const std::string& path);
    const NpyHeader& header() const { return header_; }
    const std::string& path() const { return file_.path(); }
    /// Elements [first, first + count) in row-major order. Safe from several threads.
    std::vector<float> read(std::size_t first, std::size_t count) const;

private:
    RandomAccessFile file_;
    NpyHeader header_;
};

/// Writes float32, version 1.0. Throws Error(kFile) if it cannot, Error(kInvalidArgument) if shape and values disagree.
void write_npy(const std::string& path, const std::vector<std::size_t>& shape, std::span<const float> values);

}  // namespace flash::data
