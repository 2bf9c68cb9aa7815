#include "data/npy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <optional>
#include <string_view>

#include "base/error.h"

namespace flash::data {
namespace {

static_assert(std::endian::native == std::endian::little, "elements are copied as they lie in the file");

constexpr std::string_view kMagic("\x93NUMPY", 6);

struct TypeName {
    std::string_view name;
    NpyType type;
    std::size_t bytes;
};
constexpr TypeName kTypes[] = {
    {"b1", NpyType::kBool, 1},    {"i1", NpyType::kInt8, 1},    {"u1", NpyType::kUint8, 1},
    {"i2", NpyType::kInt16, 2},   {"u2", NpyType::kUint16, 2},  {"i4", NpyType::kInt32, 4},
    {"u4", NpyType::kUint32, 4},  {"i8", NpyType::kInt64, 8},   {"u8", NpyType::kUint64, 8},
    {"f2", NpyType::kFloat16, 2}, {"f4", NpyType::kFloat32, 4}, {"f8", NpyType::kFloat64, 8},
};

/// Reads the Python literal {'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }, keys in any order.
class DictionaryParser {
public:
    DictionaryParser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

    NpyHeader parse() {
        bool has_descr = false, has_order = false, has_shape = false;
        expect('{');
        while (!accept('}')) {
            const std::string_view key = string();
            expect(':');
            if (key == "descr" && !has_descr) {
                descr();
                has_descr = true;
            } else if (key == "fortran_order" && !has_order) {
                fortran_order();
                has_order = true;
            } else if (key == "shape" && !has_shape) {
                shape();
                has_shape = true;
            } else {
                fail("unexpected or repeated key in the header");
            }
            if (!accept(',')) {
                expect('}');
                break;
            }
        }
        skip_space();
        if (position_ != text_.size()) fail("text after the header's dictionary");
        if (!has_descr || !has_order || !has_shape) fail("the header lacks descr, fortran_order or shape");
        return header_;
    }

private:
    [[noreturn]] void fail(const char* what) const {
        throw Error(ErrorKind::kFile, fmt::format("'{}' is not a valid .npy file: {}", name_, what));
    }
    [[noreturn]] void refuse(const char* what) const {
        throw Error(ErrorKind::kUnsupported, fmt::format("'{}': {}", name_, what));
    }

    void skip_space() {
        while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) ++position_;
    }
    bool accept(char c) {
        skip_space();
        if (position_ >= text_.size() || text_[position_] != c) return false;
        ++position_;
        return true;
    }
    void expect(char c) {
        if (!accept(c)) fail("malformed header");
    }
    std::string_view string() {
        const char quote = accept('\'') ? '\'' : '"';
        if (quote == '"') expect('"');
        const std::size_t end = text_.find(quote, position_);
        if (end == std::string_view::npos) fail("malformed header");
        const std::string_view text = text_.substr(position_, end - position_);
        position_ = end + 1;
        return text;
    }
    bool accept_word(std::string_view word) {
        skip_space();
        if (text_.substr(position_, word.size()) != word) return false;
        position_ += word.size();
        return true;
    }

    void descr() {
        skip_space();
        if (position_ < text_.size() && text_[position_] == '[')
            refuse("structured arrays are not supported; save plain float32");
        const std::string_view text = string();
        if (text.size() < 2) fail("malformed element type");
        const char order = text.front();
        if (order == '>') refuse("big-endian data is not supported; save with .astype('<f4')");
        for (const TypeName& type : kTypes) {
            if (text.substr(1) == type.name && (order == '<' || order == '=' || (order == '|' && type.bytes == 1))) {
                header_.type = type.type;
                header_.item_bytes = type.bytes;
                return;
            }
        }
        refuse("this element type is not supported; save float32 (.astype('float32'))");
    }

    void fortran_order() {
        if (accept_word("True")) refuse("Fortran-ordered data is not supported; save numpy.ascontiguousarray(x)");
        if (!accept_word("False")) fail("fortran_order is neither True nor False");
    }

    void shape() {
        expect('(');
        while (!accept(')')) {
            skip_space();
            std::uint64_t extent = 0;
            const char* first = text_.data() + position_;
            const auto [end, error] = std::from_chars(first, text_.data() + text_.size(), extent);
            if (error != std::errc{}) fail("malformed shape");
            position_ += static_cast<std::size_t>(end - first);
            if (header_.shape.size() == kNpyMaxDimensions) fail("too many dimensions");
            if (extent > kNpyMaxElements) fail("the shape is too large");
            header_.shape.push_back(extent);
            if (!accept(',')) {
                expect(')');
                break;
            }
        }
        // Extents of zero come last into the product, so that they cannot hide an overflow.
        std::uint64_t count = 1;
        for (const std::size_t extent : header_.shape) {
            if (extent != 0 && count > kNpyMaxElements / extent) fail("the shape is too large");
            if (extent != 0) count *= extent;
        }
        const bool empty = std::find(header_.shape.begin(), header_.shape.end(), 0U) != header_.shape.end();
        header_.count = empty ? 0 : count;
    }

    std::string_view text_;
    const std::string& name_;
    std::size_t position_ = 0;
    NpyHeader header_;
};

struct Prefix {
    std::size_t offset = 0;  ///< of the dictionary
    std::size_t length = 0;  ///< of the dictionary
};

constexpr std::size_t kPrefixBytes = 12;

/// Magic, version and header length from the first bytes of a file.
Prefix parse_prefix(std::span<const std::uint8_t> bytes, const std::string& name) {
    const auto fail = [&](const char* what) {
        throw Error(ErrorKind::kFile, fmt::format("'{}' is not a valid .npy file: {}", name, what));
    };
    if (bytes.size() < kMagic.size() || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0)
        fail("it does not start with NumPy's mark");
    if (bytes.size() < 10) fail("it ends within the header");
    const int version = bytes[6];
    if (version < 1 || version > 3) fail("unknown format version");
    Prefix prefix;
    prefix.offset = version == 1 ? 10 : 12;
    if (bytes.size() < prefix.offset) fail("it ends within the header");
    for (std::size_t i = prefix.offset; i-- > 8;) prefix.length = prefix.length << 8 | bytes[i];
    if (prefix.length > kNpyMaxHeaderBytes) fail("the header is too long");
    return prefix;
}

float half_to_float(std::uint16_t half) {
    const int exponent = half >> 10 & 31;
    const int mantissa = half & 1023;
    float value = 0;
    if (exponent == 0) {
        value = std::ldexp(static_cast<float>(mantissa), -24);
    } else if (exponent < 31) {
        value = std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
    } else {
        value = mantissa != 0 ? NAN : INFINITY;
    }
    return (half & 0x8000) != 0 ? -value : value;
}

template <class T>
void convert(std::span<const std::uint8_t> bytes, std::span<float> out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
        T value;
        std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
        out[i] = static_cast<float>(value);
    }
}

void convert_elements(NpyType type, std::span<const std::uint8_t> bytes, std::span<float> out) {
    switch (type) {
        case NpyType::kBool:
        case NpyType::kUint8: return convert<std::uint8_t>(bytes, out);
        case NpyType::kInt8: return convert<std::int8_t>(bytes, out);
        case NpyType::kInt16: return convert<std::int16_t>(bytes, out);
        case NpyType::kUint16: return convert<std::uint16_t>(bytes, out);
        case NpyType::kInt32: return convert<std::int32_t>(bytes, out);
        case NpyType::kUint32: return convert<std::uint32_t>(bytes, out);
        case NpyType::kInt64: return convert<std::int64_t>(bytes, out);
        case NpyType::kUint64: return convert<std::uint64_t>(bytes, out);
        case NpyType::kFloat32: return convert<float>(bytes, out);
        case NpyType::kFloat64:
            for (std::size_t i = 0; i < out.size(); ++i) {
                double value;
                std::memcpy(&value, bytes.data() + i * sizeof(double), sizeof(double));
                // A finite double beyond float's range becomes an infinity instead of undefined behaviour.
                out[i] =
                    std::abs(value) > static_cast<double>(std::numeric_limits<float>::max()) && std::isfinite(value)
                        ? std::copysign(INFINITY, value < 0 ? -1.0F : 1.0F)
                        : static_cast<float>(value);
            }
            return;
        case NpyType::kFloat16:
            for (std::size_t i = 0; i < out.size(); ++i) {
                out[i] = half_to_float(static_cast<std::uint16_t>(bytes[2 * i] | bytes[2 * i + 1] << 8));
            }
            return;
    }
}

void check_size(const NpyHeader& header, std::uint64_t size, const std::string& name) {
    if (size != header.file_bytes()) {
        throw Error(ErrorKind::kFile, fmt::format("'{}' has {} bytes, but its header announces {} (shape {})", name,
                                                  size, header.file_bytes(), header.shape));
    }
}

NpyHeader read_header(const RandomAccessFile& file) {
    std::vector<std::uint8_t> bytes(std::min<std::uint64_t>(kPrefixBytes, file.size()));
    file.read_at(0, bytes);
    const Prefix prefix = parse_prefix(bytes, file.path());
    bytes.resize(std::min<std::uint64_t>(prefix.offset + prefix.length, file.size()));
    file.read_at(0, bytes);
    const NpyHeader header = parse_npy_header(bytes, file.path());
    check_size(header, file.size(), file.path());
    return header;
}

}  // namespace

NpyHeader parse_npy_header(std::span<const std::uint8_t> bytes, const std::string& name) {
    const Prefix prefix = parse_prefix(bytes, name);
    if (bytes.size() - prefix.offset < prefix.length) {
        throw Error(ErrorKind::kFile, fmt::format("'{}' is not a valid .npy file: it ends within the header", name));
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + prefix.offset, prefix.length);
    NpyHeader header = DictionaryParser(text, name).parse();
    header.data_offset = prefix.offset + prefix.length;
    return header;
}

NpyArray parse_npy(std::span<const std::uint8_t> bytes, const std::string& name) {
    const NpyHeader header = parse_npy_header(bytes, name);
    check_size(header, bytes.size(), name);
    NpyArray array{header.shape, std::vector<float>(header.count)};
    convert_elements(header.type, bytes.subspan(header.data_offset), array.values);
    return array;
}

NpyArray read_npy(const std::string& path) {
    const NpyFile file(path);
    return {file.header().shape, file.read(0, file.header().count)};
}

NpyFile::NpyFile(const std::string& path) : file_(path), header_(read_header(file_)) {}

std::vector<float> NpyFile::read(std::size_t first, std::size_t count) const {
    require(first <= header_.count && count <= header_.count - first, ErrorKind::kInternal,
            "read beyond the end of an array");
    if (count > kNpyMaxElementsAtOnce) {
        throw Error(ErrorKind::kFile, fmt::format("'{}' is too large to be read at once: {} elements, the limit is {}",
                                                  path(), count, kNpyMaxElementsAtOnce));
    }
    std::vector<std::uint8_t> bytes(count * header_.item_bytes);
    file_.read_at(header_.data_offset + std::uint64_t{first} * header_.item_bytes, bytes);
    std::vector<float> values(count);
    convert_elements(header_.type, bytes, values);
    return values;
}

void write_npy(const std::string& path, const std::vector<std::size_t>& shape, std::span<const float> values) {
    std::size_t count = 1;
    for (const std::size_t extent : shape) count *= extent;
    require(count == values.size(), ErrorKind::kInvalidArgument, "write_npy: shape and number of values disagree");
    std::string dictionary = fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{}), }}",
                                         fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
    // The elements start at a multiple of 64 bytes.
    dictionary.append(63 - (10 + dictionary.size()) % 64, ' ');
    dictionary += '\n';
    std::string bytes(kMagic);
    bytes += {'\x01', '\0', static_cast<char>(dictionary.size() & 255), static_cast<char>(dictionary.size() >> 8)};
    bytes += dictionary;
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
    write_file(path, bytes, Access::kEveryone);
}

}  // namespace flash::data
