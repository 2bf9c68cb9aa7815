#include "model/reader.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "base/file.h"
#include "model/file.h"
#include "model/file_format.h"
#include "model/weights_wire.h"

namespace flash::model {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 17;

template <class Integer>
Integer get_le(std::span<const std::uint8_t> bytes, std::size_t at) {
    Integer value = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i)
        value |= static_cast<Integer>(static_cast<Integer>(bytes[at + i]) << (8 * i));
    return value;
}

/// Part of a file for protobuf's streams.
class Section : public google::protobuf::io::CopyingInputStream {
public:
    Section(const Reader::ReadAt& read_at, std::uint64_t begin, std::uint64_t end)
        : read_at_(read_at),
          at_(begin),
          end_(end) {}
    int Read(void* buffer, int size) override {
        const auto count =
            static_cast<std::size_t>(std::min<std::uint64_t>(static_cast<std::uint64_t>(size), end_ - at_));
        read_at_(at_, {static_cast<std::uint8_t*>(buffer), count});
        at_ += count;
        return static_cast<int>(count);
    }

private:
    const Reader::ReadAt& read_at_;
    std::uint64_t at_, end_;
};

}  // namespace

struct Reader::Stream {
    Section section;
    google::protobuf::io::CopyingInputStreamAdaptor adaptor;
    google::protobuf::io::CodedInputStream coded;

    Stream(const ReadAt& read_at, std::uint64_t begin, std::uint64_t size)
        : section(read_at, begin, begin + size),
          adaptor(&section, static_cast<int>(kChunkBytes)),
          coded(&adaptor) {
        coded.PushLimit(static_cast<int>(size));
    }
};

Reader::Reader(const std::filesystem::path& path) : name_(path.string() + ": ") {
    const auto file = std::make_shared<RandomAccessFile>(path.string());
    read_at_ = [file](std::uint64_t offset, std::span<std::uint8_t> out) { file->read_at(offset, out); };
    open(file->size());
}

Reader::Reader(std::span<const std::uint8_t> bytes) {
    read_at_ = [bytes](std::uint64_t offset, std::span<std::uint8_t> out) {
        std::ranges::copy(bytes.subspan(static_cast<std::size_t>(offset), out.size()), out.begin());
    };
    open(bytes.size());
}

Reader::~Reader() = default;

void Reader::fail(const std::string& what) const { throw Error(ErrorKind::kFile, name_ + what); }

void Reader::open(std::uint64_t size) {
    std::array<std::uint8_t, kFileHeaderBytes> header;
    const auto found = std::span(header).first(static_cast<std::size_t>(std::min<std::uint64_t>(size, header.size())));
    read_at_(0, found);
    if (found.size() < sizeof kFileMagic || std::memcmp(found.data(), kFileMagic, sizeof kFileMagic) != 0)
        fail("not a compiled Flash model (write one with `flash compile`)");
    if (found.size() < kFileHeaderBytes) fail("the model file is truncated within its header");
    const auto version = get_le<std::uint32_t>(header, 8);
    if (version > kFileVersion)
        fail(fmt::format("the model file has format version {}; this program reads version {}: use a newer flash",
                         version, kFileVersion));
    if (version < kFileVersion)
        fail(
            fmt::format("the model file has format version {}, which is no longer served: compile the model again from "
                        "its ONNX file with `flash compile`",
                        version));
    const auto open_size = get_le<std::uint64_t>(header, 12), secret_size = get_le<std::uint64_t>(header, 20);
    if (open_size > kMaxSectionBytes || secret_size > kMaxSectionBytes)
        fail("the model file declares impossible section sizes");
    if (open_size > kMaxArchitectureBytes) fail("the model file's architecture is larger than a client would accept");
    const std::uint64_t end = kFileHeaderBytes + open_size + secret_size;
    if (size < end) fail(fmt::format("the model file is truncated: {} of {} bytes", size, end));
    if (size > end) fail("the model file has bytes after its end");

    Sha256Stream hash;
    std::vector<std::uint8_t> chunk(
        static_cast<std::size_t>(std::min<std::uint64_t>(kChunkBytes, open_size + secret_size)));
    for (std::uint64_t at = kFileHeaderBytes; at < end;) {
        const auto part =
            std::span(chunk).first(static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), end - at)));
        read_at_(at, part);
        hash.add(part);
        at += part.size();
    }
    const Sha256 checksum = hash.finish();
    if (!std::equal(checksum.begin(), checksum.end(), header.begin() + kChecksumAt))
        fail("the model file is corrupt: its checksum does not match");

    std::vector<std::uint8_t> architecture(static_cast<std::size_t>(open_size));
    read_at_(kFileHeaderBytes, architecture);
    try {
        architecture_ = parse_architecture(architecture);
    } catch (const Error& error) {
        fail(error.what());
    }
    stream_ = std::make_unique<Stream>(read_at_, kFileHeaderBytes + open_size, secret_size);
}

LayerWeights Reader::next() {
    require(next_ < architecture_.layers.size(), ErrorKind::kInternal, "model: a layer past the last one");
    LayerWeights layer;
    try {
        if (!read_layer(stream_->coded, layer, salt_))
            throw Error(ErrorKind::kFile, "model weights: wrong number of layers");
        validate_layer(architecture_, next_, layer);
    } catch (const Error& error) {
        fail(error.what());
    }
    ++next_;
    digest_.add(layer);
    return layer;
}

Sha256 Reader::finish() {
    require(next_ == architecture_.layers.size(), ErrorKind::kInternal, "model: not all layers were taken");
    try {
        LayerWeights more;
        if (read_layer(stream_->coded, more, salt_))
            throw Error(ErrorKind::kFile, "model weights: wrong number of layers");
        validate_salt(salt_);
    } catch (const Error& error) {
        fail(error.what());
    }
    return digest_.finish(salt_);
}

}  // namespace flash::model
