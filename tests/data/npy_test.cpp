#include "data/npy.h"

#include <cmath>
#include <cstring>

#include "support.h"

namespace flash::data {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// A file with the given dictionary (version 1, 2 or 3), not padded.
Bytes file_with(const std::string& dictionary, const Bytes& data, std::uint8_t version = 1) {
    Bytes bytes = {0x93, 'N', 'U', 'M', 'P', 'Y', version, 0};
    const std::size_t length_bytes = version == 1 ? 2 : 4;
    for (std::size_t i = 0; i < length_bytes; ++i)
        bytes.push_back(static_cast<std::uint8_t>(dictionary.size() >> (8 * i)));
    bytes.insert(bytes.end(), dictionary.begin(), dictionary.end());
    bytes.insert(bytes.end(), data.begin(), data.end());
    return bytes;
}

std::string header(const std::string& descr, const std::string& shape) {
    return "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }\n";
}

template <class T>
Bytes raw(std::initializer_list<T> values) {
    Bytes bytes(values.size() * sizeof(T));
    std::memcpy(bytes.data(), std::data(values), bytes.size());
    return bytes;
}

TEST(Npy, WritesWhatItReads) {
    const TempDirectory directory;
    for (const std::vector<std::size_t>& shape : {std::vector<std::size_t>{}, {6}, {2, 3}, {1, 3, 2, 1}, {0, 5}}) {
        std::size_t count = 1;
        for (const std::size_t extent : shape) count *= extent;
        std::vector<float> values;
        for (std::size_t i = 0; i < count; ++i) values.push_back(static_cast<float>(i) * 0.25F - 1);
        const std::string path = directory / "x.npy";
        write_npy(path, shape, values);
        const NpyArray array = read_npy(path);
        EXPECT_EQ(array.shape, shape);
        EXPECT_EQ(array.values, values);
        EXPECT_EQ(NpyFile(path).header().data_offset % 64, 0u);
    }
}

TEST(Npy, ReadsEveryVersionAndElementType) {
    using Values = std::vector<float>;
    for (const std::uint8_t version : std::initializer_list<std::uint8_t>{1, 2, 3}) {
        EXPECT_EQ(parse_npy(file_with(header("<f4", "(2,)"), raw<float>({1.5F, -2.0F}), version), "x").values,
                  (Values{1.5F, -2.0F}));
    }
    EXPECT_EQ(parse_npy(file_with(header("<f8", "(1, 2)"), raw<double>({0.5, 1e300})), "x").values,
              (Values{0.5F, INFINITY}));
    EXPECT_EQ(parse_npy(file_with(header("|u1", "(2,)"), raw<std::uint8_t>({0, 255})), "x").values, (Values{0, 255}));
    EXPECT_EQ(parse_npy(file_with(header("|i1", "(1,)"), raw<std::int8_t>({-7})), "x").values, (Values{-7}));
    EXPECT_EQ(parse_npy(file_with(header("|b1", "(2,)"), raw<std::uint8_t>({0, 1})), "x").values, (Values{0, 1}));
    EXPECT_EQ(parse_npy(file_with(header("<i2", "(1,)"), raw<std::int16_t>({-300})), "x").values, (Values{-300}));
    EXPECT_EQ(parse_npy(file_with(header("<u2", "(1,)"), raw<std::uint16_t>({65535})), "x").values, (Values{65535}));
    EXPECT_EQ(parse_npy(file_with(header("<i4", "(1,)"), raw<std::int32_t>({-70000})), "x").values, (Values{-70000}));
    EXPECT_EQ(parse_npy(file_with(header("<u4", "(1,)"), raw<std::uint32_t>({70000})), "x").values, (Values{70000}));
    EXPECT_EQ(parse_npy(file_with(header("<i8", "(1,)"), raw<std::int64_t>({-5})), "x").values, (Values{-5}));
    EXPECT_EQ(parse_npy(file_with(header("<u8", "(1,)"), raw<std::uint64_t>({5})), "x").values, (Values{5}));
    // 1, -2, the largest half, the smallest half, infinity.
    EXPECT_EQ(
        parse_npy(file_with(header("<f2", "(5,)"), raw<std::uint16_t>({0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00})), "x")
            .values,
        (Values{1, -2, 65504, std::ldexp(1.0F, -24), INFINITY}));
}

TEST(Npy, AcceptsKeysInAnyOrderAndDoubleQuotes) {
    const std::string dictionary = "{\"shape\": (1), \"fortran_order\": False, \"descr\": \"<f4\"}";
    EXPECT_EQ(parse_npy(file_with(dictionary, raw<float>({3})), "x").shape, std::vector<std::size_t>{1});
}

TEST(Npy, RefusesWhatItDoesNotImplement) {
    const Bytes data = raw<float>({1});
    expect_error([&] { parse_npy(file_with(header(">f4", "(1,)"), data), "x"); }, ErrorKind::kUnsupported,
                 "big-endian");
    expect_error([&] { parse_npy(file_with(header("<c8", "(1,)"), data), "x"); }, ErrorKind::kUnsupported,
                 "element type");
    expect_error([&] { parse_npy(file_with(header("|O", "(1,)"), data), "x"); }, ErrorKind::kUnsupported,
                 "element type");
    expect_error(
        [&] { parse_npy(file_with("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", data), "x"); },
        ErrorKind::kUnsupported, "structured");
    expect_error([&] { parse_npy(file_with("{'descr': '<f4', 'fortran_order': True, 'shape': (1,)}", data), "x"); },
                 ErrorKind::kUnsupported, "ascontiguousarray");
}

TEST(Npy, RefusesHostileHeaders) {
    const Bytes data = raw<float>({1});
    const auto refuse = [&](const std::string& dictionary, const std::string& text) {
        expect_error([&] { parse_npy(file_with(dictionary, data), "bad.npy"); }, ErrorKind::kFile, text);
    };
    refuse(header("<f4", "(99999999999999999999,)"), "malformed shape");
    refuse(header("<f4", "(18446744073709551615,)"), "too large");
    refuse(header("<f4", "(4294967296, 4294967296, 1)"), "too large");
    refuse(header("<f4", "(0, 4294967296, 4294967296)"), "too large");
    refuse(header("<f4", "(-1,)"), "malformed shape");
    refuse(header("<f4", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), "dimensions");
    refuse(header("<f4", "(68719476736,)"), "announces");
    refuse(header("<f4", "(2,)"), "announces");
    refuse(header("<f4", "()") + "x", "text after");
    refuse("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "repeated");
    refuse("{'descr': '<f4', 'shape': (1,)}", "lacks");
    refuse("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "neither");
    refuse("{'descr: <f4", "malformed");
    refuse("", "malformed");
}

TEST(Npy, RefusesTruncatedAndOverlongFiles) {
    const TempDirectory directory;
    const Bytes good = file_with(header("<f4", "(2,)"), raw<float>({1, 2}));
    for (std::size_t size = 0; size < good.size(); ++size) {
        const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
        EXPECT_THROW(parse_npy(cut, "x"), Error) << size;
        EXPECT_THROW(read_npy(directory.write("cut.npy", cut)), Error) << size;
    }
    Bytes longer = good;
    longer.push_back(0);
    expect_error([&] { parse_npy(longer, "x"); }, ErrorKind::kFile, "announces");
    expect_error([&] { read_npy(directory / "none.npy"); }, ErrorKind::kFile, "cannot open");
    expect_error([&] { read_npy(directory.string()); }, ErrorKind::kFile, "not a regular file");
}

TEST(Npy, ReadsParts) {
    const TempDirectory directory;
    const std::string path = directory / "x.npy";
    write_npy(path, {4}, std::vector<float>{1, 2, 3, 4});
    const NpyFile file(path);
    EXPECT_EQ(file.read(1, 2), (std::vector<float>{2, 3}));
    EXPECT_EQ(file.read(4, 0), std::vector<float>{});
    EXPECT_THROW(file.read(3, 2), Error);
}

}  // namespace
}  // namespace flash::data
