#include "model/file.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>

#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/file.h"
#include "model.pb.h"

namespace flash::model {
namespace {

constexpr char kMagic[8] = {'F', 'L', 'A', 'S', 'H', 'M', 'D', 'L'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 8 + 4 + 8 + 8 + 32;
constexpr std::uint64_t kMaxSectionBytes = std::numeric_limits<std::int32_t>::max();  // protobuf's own limit

// ---- conversion to and from the messages ----

void put(const Shape& from, wire::Shape* to) {
    to->set_channels(from.channels);
    to->set_height(from.height);
    to->set_width(from.width);
}

Shape get(const wire::Shape& from) { return {from.channels(), from.height(), from.width()}; }

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

/// Fields that are 1 where they are absent, as in files from before there was a choice.
int one_if_absent(int field) { return field == 0 ? 1 : field; }

Window get(const wire::Window& from) {
    return {from.kernel_h(), from.kernel_w(),   from.stride_h(),  from.stride_w(),
            from.pad_top(),  from.pad_left(),   from.pad_bottom(), from.pad_right(),
            one_if_absent(from.dilation_h()), one_if_absent(from.dilation_w()), from.level()};
}

wire::Architecture to_wire(const Architecture& from) {
    wire::Architecture to;
    to.set_name(from.name);
    to.set_plain_modulus(from.plain_modulus);
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
    }
    to.set_output_scale(from.output_scale);
    to.set_input_upload_bits(from.input_upload_bits);
    return to;
}

/// Files from before there was a choice do not have the field.
int read_upload_bits(int field) { return field == 0 ? kMaxUploadBits : field; }

/// Not yet validated. Error(kProtocol) for an unknown term kind.
Architecture from_wire(const wire::Architecture& from) {
    Architecture to;
    to.name = from.name();
    to.plain_modulus = from.plain_modulus();
    to.input = get(from.input());
    to.input_scale = from.input_scale();
    to.input_limit = from.input_limit();
    to.preprocessing.resize = from.preprocessing().resize();
    to.preprocessing.crop_height = from.preprocessing().crop_height();
    to.preprocessing.crop_width = from.preprocessing().crop_width();
    to.preprocessing.mean.assign(from.preprocessing().mean().begin(), from.preprocessing().mean().end());
    to.preprocessing.std.assign(from.preprocessing().std().begin(), from.preprocessing().std().end());
    to.classes.assign(from.classes().begin(), from.classes().end());
    require(from.layers_size() <= kMaxLayers, ErrorKind::kProtocol, "model architecture: too many layers");
    for (const wire::Layer& layer : from.layers()) {
        Layer& out = to.layers.emplace_back();
        out.name = layer.name();
        require(layer.terms_size() <= kMaxTerms, ErrorKind::kProtocol, "model architecture: too many terms in a layer");
        for (const wire::Term& term : layer.terms()) {
            Term& t = out.terms.emplace_back();
            t.source = term.source();
            if (term.has_pool()) t.pool = get(term.pool());
            require(term.kind() == wire::CONVOLUTION || term.kind() == wire::SCALE, ErrorKind::kProtocol,
                    "model architecture: a term of a kind that this version does not know");
            t.kind = term.kind() == wire::SCALE ? TermKind::kScale : TermKind::kConvolution;
            t.window = get(term.window());
            t.groups = one_if_absent(term.groups());
        }
        out.output = get(layer.output());
        out.share_bits = layer.share_bits();
        out.activation = layer.activation();
        out.packing.channels_per_input = layer.channels_per_input();
        out.packing.degree = layer.degree();
        out.upload_bits = read_upload_bits(layer.upload_bits());
    }
    to.output_scale = from.output_scale();
    to.input_upload_bits = read_upload_bits(from.input_upload_bits());
    return to;
}

wire::SecretWeights to_wire(const SecretWeights& from) {
    wire::SecretWeights to;
    for (const LayerWeights& layer : from.layers) {
        wire::LayerWeights* out = to.add_layers();
        for (const TermWeights& term : layer.terms) {
            wire::TermWeights* t = out->add_terms();
            t->set_weights(term.weights.data(), term.weights.size());
            t->set_multiplier(term.multiplier);
            t->mutable_scale()->Add(term.scale.begin(), term.scale.end());
        }
        out->mutable_bias()->Add(layer.bias.begin(), layer.bias.end());
        out->mutable_kappa()->Add(layer.kappa.begin(), layer.kappa.end());
        out->mutable_offset()->Add(layer.offset.begin(), layer.offset.end());
        out->mutable_x_scale()->Add(layer.x_scale.begin(), layer.x_scale.end());
        out->mutable_y_scale()->Add(layer.y_scale.begin(), layer.y_scale.end());
        out->set_calibrated_use(layer.calibrated_use);
        out->set_noise_bits(layer.noise_bits);
    }
    to.set_salt(from.salt.data(), from.salt.size());
    return to;
}

SecretWeights from_wire(const wire::SecretWeights& from) {
    SecretWeights to;
    to.layers.reserve(static_cast<std::size_t>(from.layers_size()));
    for (const wire::LayerWeights& layer : from.layers()) {
        LayerWeights& out = to.layers.emplace_back();
        for (const wire::TermWeights& term : layer.terms()) {
            TermWeights& t = out.terms.emplace_back();
            t.weights.resize(term.weights().size());
            if (!t.weights.empty()) std::memcpy(t.weights.data(), term.weights().data(), t.weights.size());
            t.multiplier = term.multiplier();
            t.scale.assign(term.scale().begin(), term.scale().end());
        }
        out.bias.assign(layer.bias().begin(), layer.bias().end());
        out.kappa.assign(layer.kappa().begin(), layer.kappa().end());
        out.offset.assign(layer.offset().begin(), layer.offset().end());
        out.x_scale.assign(layer.x_scale().begin(), layer.x_scale().end());
        out.y_scale.assign(layer.y_scale().begin(), layer.y_scale().end());
        out.calibrated_use = layer.calibrated_use();
        out.noise_bits = layer.noise_bits();
    }
    to.salt.assign(from.salt().begin(), from.salt().end());
    return to;
}

template <class Message>
std::vector<std::uint8_t> to_bytes(const Message& message) {
    const std::size_t size = message.ByteSizeLong();
    require(size <= kMaxSectionBytes, ErrorKind::kInvalidArgument, "the model is too large for its file format (2 GiB)");
    std::vector<std::uint8_t> bytes(size);
    google::protobuf::io::ArrayOutputStream array(bytes.data(), static_cast<int>(size));
    google::protobuf::io::CodedOutputStream stream(&array);
    stream.SetSerializationDeterministic(true);
    require(message.SerializeToCodedStream(&stream), ErrorKind::kInternal, "cannot serialise the model");
    return bytes;
}

template <class Message>
bool from_bytes(std::span<const std::uint8_t> bytes, Message& message) {
    const google::protobuf::LogSilencer silence;  // the caller reports; a peer must not be able to fill the log
    return bytes.size() <= kMaxSectionBytes && message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// ---- the file around them ----

template <class Integer>
void put_le(std::vector<std::uint8_t>& out, Integer value) {
    for (std::size_t i = 0; i < sizeof(Integer); ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

template <class Integer>
Integer get_le(std::span<const std::uint8_t> bytes, std::size_t at) {
    Integer value = 0;
    for (std::size_t i = 0; i < sizeof(Integer); ++i) value |= static_cast<Integer>(static_cast<Integer>(bytes[at + i]) << (8 * i));
    return value;
}

[[noreturn]] void file_error(const std::string& what) { throw Error(ErrorKind::kFile, what); }

}  // namespace

std::vector<std::uint8_t> serialize(const Architecture& architecture) { return to_bytes(to_wire(architecture)); }

Architecture parse_architecture(std::span<const std::uint8_t> bytes) {
    wire::Architecture message;
    require(from_bytes(bytes, message), ErrorKind::kProtocol, "model architecture: not a well-formed message");
    Architecture architecture = from_wire(message);
    validate(architecture);
    return architecture;
}

Sha256 secret_digest(const Model& model) { return sha256(to_bytes(to_wire(model.weights))); }

Sha256 fingerprint(std::span<const std::uint8_t> architecture_bytes, const Sha256& secret_digest) {
    return sha256_parts({architecture_bytes, secret_digest});
}

Sha256 fingerprint(const Model& model) { return fingerprint(serialize(model.architecture), secret_digest(model)); }

std::vector<std::uint8_t> serialize(const Model& model) {
    const std::vector<std::uint8_t> open = serialize(model.architecture);
    const std::vector<std::uint8_t> secret = to_bytes(to_wire(model.weights));
    std::vector<std::uint8_t> body;
    body.reserve(open.size() + secret.size());
    body.insert(body.end(), open.begin(), open.end());
    body.insert(body.end(), secret.begin(), secret.end());
    const Sha256 checksum = sha256(body);

    std::vector<std::uint8_t> file(std::begin(kMagic), std::end(kMagic));
    file.reserve(kHeaderBytes + body.size());
    put_le(file, kVersion);
    put_le(file, std::uint64_t{open.size()});
    put_le(file, std::uint64_t{secret.size()});
    file.insert(file.end(), checksum.begin(), checksum.end());
    file.insert(file.end(), body.begin(), body.end());
    return file;
}

Model parse(std::span<const std::uint8_t> bytes) {
    if (bytes.size() < sizeof kMagic || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0)
        file_error("not a compiled Flash model (write one with `flash compile`)");
    if (bytes.size() < kHeaderBytes) file_error("the model file is truncated within its header");
    const auto version = get_le<std::uint32_t>(bytes, 8);
    if (version > kVersion)
        file_error(fmt::format("the model file has format version {}; this program reads up to version {}: use a newer flash", version, kVersion));
    if (version != kVersion) file_error(fmt::format("the model file has an unknown format version ({})", version));
    const auto open_size = get_le<std::uint64_t>(bytes, 12);
    const auto secret_size = get_le<std::uint64_t>(bytes, 20);
    if (open_size > kMaxSectionBytes || secret_size > kMaxSectionBytes) file_error("the model file declares impossible section sizes");
    const std::span<const std::uint8_t> body = bytes.subspan(kHeaderBytes);
    if (body.size() < open_size + secret_size)
        file_error(fmt::format("the model file is truncated: {} of {} bytes", bytes.size(), kHeaderBytes + open_size + secret_size));
    if (body.size() > open_size + secret_size) file_error("the model file has bytes after its end");
    if (std::memcmp(sha256(body).data(), bytes.data() + 28, 32) != 0) file_error("the model file is corrupt: its checksum does not match");

    Model model;
    try {
        model.architecture = parse_architecture(body.first(open_size));
    } catch (const Error& error) {
        file_error(error.what());
    }
    wire::SecretWeights secret;
    if (!from_bytes(body.subspan(open_size), secret)) file_error("model weights: not a well-formed message");
    model.weights = from_wire(secret);
    validate(model);
    return model;
}

void save(const Model& model, const std::filesystem::path& path) {
    validate(model);
    const std::vector<std::uint8_t> bytes = serialize(model);
    const std::span<const std::uint8_t> whole = bytes;
    write_file(path, {&whole, 1});
}

Model load(const std::filesystem::path& path) {
    const std::vector<std::uint8_t> bytes = read_file(path.string(), kHeaderBytes + 2 * kMaxSectionBytes);
    try {
        return parse(bytes);
    } catch (const Error& error) {
        throw Error(error.kind(), path.string() + ": " + error.what());
    }
}

}  // namespace flash::model
