#include "model/weights_wire.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/wire_format_lite.h>

#include <string>

#include "base/error.h"
#include "model.pb.h"

namespace flash::model {

namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using google::protobuf::io::CodedOutputStream;

constexpr std::uint32_t tag_of(int field) {
    return static_cast<std::uint32_t>(field) << 3 | WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
}
constexpr std::uint32_t kLayers = tag_of(wire::SecretWeights::kLayersFieldNumber),
                        kSalt = tag_of(wire::SecretWeights::kSaltFieldNumber),
                        kTerms = tag_of(wire::LayerWeights::kTermsFieldNumber),
                        kWeights = tag_of(wire::TermWeights::kWeightsFieldNumber);
// Serialised fields are in the order of their numbers: what is taken out of a message below is what it begins with.
static_assert(kLayers < kSalt && wire::LayerWeights::kTermsFieldNumber == 1 &&
              wire::TermWeights::kWeightsFieldNumber == 1);

/// A field's tag and its length.
void put_prefix(std::vector<std::uint8_t>& out, std::uint32_t tag, std::uint64_t length) {
    for (std::uint64_t value : {std::uint64_t{tag}, length}) {
        for (; value >= 0x80; value >>= 7) out.push_back(static_cast<std::uint8_t>(value | 0x80));
        out.push_back(static_cast<std::uint8_t>(value));
    }
}

std::vector<std::uint8_t> to_bytes(const google::protobuf::MessageLite& message) {
    std::vector<std::uint8_t> bytes(message.ByteSizeLong());
    require(message.SerializeToArray(bytes.data(), static_cast<int>(bytes.size())), ErrorKind::kInternal,
            "cannot serialise weights");
    return bytes;
}

/// A term as a field of a layer: what stands before its int8 weights, and after them.
struct TermBytes {
    std::vector<std::uint8_t> head, tail;
    std::span<const std::uint8_t> weights;
    explicit TermBytes(const TermWeights& term)
        : weights(reinterpret_cast<const std::uint8_t*>(term.weights.data()), term.weights.size()) {
        wire::TermWeights rest;
        rest.set_multiplier(term.multiplier);
        rest.mutable_scale()->Add(term.scale.begin(), term.scale.end());
        tail = to_bytes(rest);
        std::vector<std::uint8_t> before;
        if (!weights.empty()) put_prefix(before, kWeights, weights.size());  // an empty field is not written
        put_prefix(head, kTerms, before.size() + weights.size() + tail.size());
        head.insert(head.end(), before.begin(), before.end());
    }
    std::uint64_t size() const { return head.size() + weights.size() + tail.size(); }
};

[[noreturn]] void malformed() { throw Error(ErrorKind::kFile, "model weights: not a well-formed message"); }

void need(bool condition) {
    if (!condition) malformed();
}

/// The length of a field that is about to follow, checked against what is there before anything is allocated.
int read_size(CodedInputStream& in) {
    std::uint32_t size = 0;
    need(in.ReadVarint32(&size) && static_cast<std::int64_t>(size) <= in.BytesUntilLimit());
    return static_cast<int>(size);
}

template <class Byte>
void read_bytes(CodedInputStream& in, std::vector<Byte>& out) {
    const int size = read_size(in);
    out.resize(static_cast<std::size_t>(size));
    need(size == 0 || in.ReadRaw(out.data(), size));
}

/// A message with one kind of field handled by `taken`, the rest collected and parsed.
template <class Message, class Taken>
Message read_rest(CodedInputStream& in, std::uint32_t tag_taken, const Taken& taken) {
    const CodedInputStream::Limit outer = in.PushLimit(read_size(in));
    std::string rest;
    {
        google::protobuf::io::StringOutputStream stream(&rest);
        CodedOutputStream coded(&stream);
        while (const std::uint32_t tag = in.ReadTag()) {
            if (tag == tag_taken)
                taken();
            else
                need(WireFormatLite::SkipField(&in, tag, &coded));
        }
    }
    need(in.ConsumedEntireMessage() && in.BytesUntilLimit() == 0);
    in.PopLimit(outer);
    const google::protobuf::LogSilencer silence;
    Message message;
    need(message.ParseFromString(rest));
    return message;
}

TermWeights read_term(CodedInputStream& in) {
    TermWeights term;
    const auto rest = read_rest<wire::TermWeights>(in, kWeights, [&] { read_bytes(in, term.weights); });
    term.multiplier = rest.multiplier();
    term.scale.assign(rest.scale().begin(), rest.scale().end());
    return term;
}

}  // namespace

void write_layer(const LayerWeights& layer, const ByteSink& sink) {
    const std::vector<TermBytes> terms(layer.terms.begin(), layer.terms.end());
    wire::LayerWeights rest;
    rest.mutable_bias()->Add(layer.bias.begin(), layer.bias.end());
    rest.mutable_kappa()->Add(layer.kappa.begin(), layer.kappa.end());
    rest.mutable_offset()->Add(layer.offset.begin(), layer.offset.end());
    rest.mutable_x_scale()->Add(layer.x_scale.begin(), layer.x_scale.end());
    rest.mutable_y_scale()->Add(layer.y_scale.begin(), layer.y_scale.end());
    rest.set_calibrated_use(layer.calibrated_use);
    rest.set_noise_bits(layer.noise_bits);
    const std::vector<std::uint8_t> tail = to_bytes(rest);
    std::uint64_t size = tail.size();
    for (const TermBytes& term : terms) size += term.size();
    std::vector<std::uint8_t> prefix;
    put_prefix(prefix, kLayers, size);
    sink(prefix);
    for (const TermBytes& term : terms) {
        sink(term.head);
        sink(term.weights);
        sink(term.tail);
    }
    sink(tail);
}

void write_salt(std::span<const std::uint8_t> salt, const ByteSink& sink) {
    if (salt.empty()) return;
    std::vector<std::uint8_t> prefix;
    put_prefix(prefix, kSalt, salt.size());
    sink(prefix);
    sink(salt);
}

bool read_layer(CodedInputStream& in, LayerWeights& layer, std::vector<std::uint8_t>& salt) {
    layer = {};
    while (const std::uint32_t tag = in.ReadTag()) {
        if (tag == kSalt) {
            read_bytes(in, salt);
        } else if (tag == kLayers) {
            const auto rest = read_rest<wire::LayerWeights>(in, kTerms, [&] {
                need(layer.terms.size() <
                     static_cast<std::size_t>(
                         kMaxTerms));  // an empty term takes two bytes of a file, and much more here
                layer.terms.push_back(read_term(in));
            });
            layer.bias.assign(rest.bias().begin(), rest.bias().end());
            layer.kappa.assign(rest.kappa().begin(), rest.kappa().end());
            layer.offset.assign(rest.offset().begin(), rest.offset().end());
            layer.x_scale.assign(rest.x_scale().begin(), rest.x_scale().end());
            layer.y_scale.assign(rest.y_scale().begin(), rest.y_scale().end());
            layer.calibrated_use = rest.calibrated_use();
            layer.noise_bits = rest.noise_bits();
            return true;
        } else {
            need(WireFormatLite::SkipField(&in, tag));
        }
    }
    need(in.ConsumedEntireMessage() && in.BytesUntilLimit() == 0);
    return false;
}

}  // namespace flash::model
