#include "model/file.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "model.pb.h"
#include "model/file_format.h"
#include "model/reader.h"
#include "model/secret_digest.h"
#include "model/weights_wire.h"

namespace flash::model {
namespace {

// ---- conversion to the messages ----

void put(const Shape& from, wire::Shape* to) {
    to->set_channels(from.channels);
    to->set_height(from.height);
    to->set_width(from.width);
}

void put(const Window& from, wire::Window* to) {
    to->set_kernel_h(from.kernel_h);
    to->set_kernel_w(from.kernel_w);
    to->set_stride_h(from.stride_h);
    to->set_stride_w(from.stride_w);
    to->set_pad_top(from.pad_top);
    to->set_pad_left(from.pad_left);
    to->set_pad_bottom(from.pad_bottom);
    to->set_pad_right(from.pad_right);
    if (from.dilation_h != 1) to->set_dilation_h(from.dilation_h);
    if (from.dilation_w != 1) to->set_dilation_w(from.dilation_w);
    if (from.level) to->set_level(true);
}

wire::Architecture to_wire(const Architecture& from) {
    wire::Architecture to;
    to.set_name(from.name);
    to.set_slot_degree(from.slots.degree);
    to.set_slot_moduli(from.slots.moduli);
    to.set_plain_bits(from.plain_bits);
    to.set_trust_server(from.trust_server);
    put(from.input, to.mutable_input());
    to.set_input_scale(from.input_scale);
    to.set_input_limit(from.input_limit);
    wire::Preprocessing* preprocessing = to.mutable_preprocessing();
    preprocessing->set_resize(from.preprocessing.resize);
    preprocessing->set_crop_height(from.preprocessing.crop_height);
    preprocessing->set_crop_width(from.preprocessing.crop_width);
    preprocessing->mutable_mean()->Add(from.preprocessing.mean.begin(), from.preprocessing.mean.end());
    preprocessing->mutable_std()->Add(from.preprocessing.std.begin(), from.preprocessing.std.end());
    for (const std::string& name : from.classes) to.add_classes(name);
    for (const Layer& layer : from.layers) {
        wire::Layer* out = to.add_layers();
        out->set_name(layer.name);
        for (const Term& term : layer.terms) {
            wire::Term* t = out->add_terms();
            t->set_source(term.source);
            if (term.pool) put(*term.pool, t->mutable_pool());
            t->set_kind(term.kind == TermKind::kScale ? wire::SCALE : wire::CONVOLUTION);
            put(term.window, t->mutable_window());
            if (term.groups != 1) t->set_groups(term.groups);
        }
        put(layer.output, out->mutable_output());
        out->set_share_bits(layer.share_bits);
        out->set_activation(layer.activation);
        out->set_channels_per_input(layer.packing.channels_per_input);
        if (layer.packing.degree != 0) out->set_degree(layer.packing.degree);
        out->set_upload_bits(layer.upload_bits);
        if (layer.plain_bits != 0) out->set_plain_bits(layer.plain_bits);
        if (layer.curve == Curve::kSine) out->set_curve(wire::SINE);
        if (layer.amplitude != 0) out->set_amplitude(layer.amplitude);
    }
    to.set_output_scale(from.output_scale);
    to.set_input_upload_bits(from.input_upload_bits);
    return to;
}

template <class Message>
std::vector<std::uint8_t> to_bytes(const Message& message) {
    const std::size_t size = message.ByteSizeLong();
    require(size <= kMaxSectionBytes, ErrorKind::kInvalidArgument,
            "the model is too large for its file format (2 GiB)");
    std::vector<std::uint8_t> bytes(size);
    google::protobuf::io::ArrayOutputStream array(bytes.data(), static_cast<int>(size));
    google::protobuf::io::CodedOutputStream stream(&array);
    stream.SetSerializationDeterministic(true);
    require(message.SerializeToCodedStream(&stream), ErrorKind::kInternal, "cannot serialise the model");
    return bytes;
}

// ---- the file around them ----

template <class Integer>
void put_le(std::vector<std::uint8_t>& out, Integer value) {
    for (std::size_t i = 0; i < sizeof(Integer); ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

}  // namespace

std::vector<std::uint8_t> serialize(const Architecture& architecture) {
    std::vector<std::uint8_t> bytes = to_bytes(to_wire(architecture));
    require(bytes.size() <= kMaxArchitectureBytes, ErrorKind::kUnsupported,
            "the architecture with the names of its classes is larger than the 256 KiB that clients accept: shorten "
            "the names");
    return bytes;
}

Sha256 secret_digest(const Model& model) {
    SecretDigest digest;
    for (const LayerWeights& layer : model.weights.layers) digest.add(layer);
    return digest.finish(model.weights.salt);
}

Sha256 fingerprint(const Model& model) { return fingerprint(serialize(model.architecture), secret_digest(model)); }

std::vector<std::uint8_t> serialize(const Model& model) {
    const std::vector<std::uint8_t> open = serialize(model.architecture);
    // The sizes come before what they count: first they are counted.
    std::uint64_t secret_size = 0;
    const auto secret = [&](const ByteSink& sink) {
        for (const LayerWeights& layer : model.weights.layers) write_layer(layer, sink);
        write_salt(model.weights.salt, sink);
    };
    secret([&](std::span<const std::uint8_t> bytes) { secret_size += bytes.size(); });
    require(secret_size <= kMaxSectionBytes, ErrorKind::kInvalidArgument,
            "the model is too large for its file format (2 GiB)");

    std::vector<std::uint8_t> file(std::begin(kFileMagic), std::end(kFileMagic));
    file.reserve(kFileHeaderBytes + open.size() + secret_size);
    put_le(file, kFileVersion);
    put_le(file, std::uint64_t{open.size()});
    put_le(file, secret_size);
    file.resize(kFileHeaderBytes);
    file.insert(file.end(), open.begin(), open.end());
    secret([&](std::span<const std::uint8_t> bytes) { file.insert(file.end(), bytes.begin(), bytes.end()); });
    std::ranges::copy(sha256(std::span(file).subspan(kFileHeaderBytes)), file.begin() + kChecksumAt);
    return file;
}

namespace {

Model read_all(Reader& reader) {
    Model model;
    model.architecture = reader.architecture();
    for (std::size_t l = 0; l < model.architecture.layers.size(); ++l) model.weights.layers.push_back(reader.next());
    reader.finish();
    model.weights.salt = reader.salt();
    return model;
}

}  // namespace

Model parse(std::span<const std::uint8_t> bytes) {
    Reader reader(bytes);
    return read_all(reader);
}

void save(const Model& model, const std::filesystem::path& path) {
    validate(model);
    const std::vector<std::uint8_t> bytes = serialize(model);
    const std::span<const std::uint8_t> whole = bytes;
    write_file(path, {&whole, 1});
}

Model load(const std::filesystem::path& path) {
    Reader reader(path);
    return read_all(reader);
}

}  // namespace flash::model
