#include "protocol/messages.h"

#include <algorithm>

#include "base/bytes.h"
#include "lattice/bitpack.h"
#include "lattice/words.h"

namespace flash::protocol {

namespace {
// "FLSH" little-endian: a peer that speaks something else is told so at once.
constexpr std::uint32_t kMagic = 0x48534C46;

void check_magic(ByteReader& reader) {
    if (reader.u32() != kMagic) throw Error(ErrorKind::kProtocol, "the peer does not speak the Flash protocol");
}

constexpr std::size_t kMaxTitleBytes = 1024;

/// The last field of both hellos; one inference at a time goes without it.
void put_in_flight(ByteWriter& writer, std::uint32_t in_flight) {
    if (in_flight > 1) writer.u32(in_flight);
}

std::uint32_t take_in_flight(ByteReader& reader) {
    if (reader.left() == 0) return 1;
    const std::uint32_t in_flight = reader.u32();
    if (in_flight < 2 || in_flight > kMaxInFlight)
        throw Error(ErrorKind::kProtocol, "a hello names " + std::to_string(in_flight) +
                                              " inferences at a time; 2 to " + std::to_string(kMaxInFlight) +
                                              " are possible");
    return in_flight;
}

void put_text(ByteWriter& writer, const std::string& text) {
    writer.u32(static_cast<std::uint32_t>(text.size()));
    writer.raw(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

/// As printable ASCII: it goes to logs and terminals.
std::string take_text(ByteReader& reader, std::size_t most) {
    const std::uint32_t size = reader.u32();
    if (size > most) throw Error(ErrorKind::kProtocol, "a name is too long");
    std::string text;
    for (const std::uint8_t byte : reader.raw(size))
        text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '?';
    return text;
}

void put_token(ByteWriter& writer, std::span<const char> token) {
    writer.u32(static_cast<std::uint32_t>(token.size()));
    writer.raw(std::span(reinterpret_cast<const std::uint8_t*>(token.data()), token.size()));
}

SecretVector<char> take_token(ByteReader& reader) {
    const std::uint32_t size = reader.u32();
    if (size > kMaxTokenBytes) throw Error(ErrorKind::kProtocol, "a token is too long");
    SecretVector<char> token(size);
    std::ranges::copy(reader.raw(size), token.data());
    return token;
}
}  // namespace

std::vector<std::uint8_t> encode(const ClientHello& hello) {
    ByteWriter writer;
    writer.u32(kMagic);
    writer.u32(hello.version);
    writer.raw(hello.expected_fingerprint);
    put_text(writer, hello.model);
    put_token(writer, hello.token);
    put_in_flight(writer, hello.in_flight);
    return writer.take();
}

std::vector<std::uint8_t> encode_list_models(std::span<const char> token) {
    ByteWriter writer;
    put_token(writer, token);
    return writer.take();
}

SecretVector<char> decode_list_models(std::span<const std::uint8_t> payload) {
    ByteReader reader(payload, "list of models");
    SecretVector<char> token = take_token(reader);
    reader.end();
    return token;
}

std::vector<std::uint8_t> encode(std::span<const ModelEntry> models) {
    ByteWriter writer;
    writer.u32(kMagic);
    writer.u32(kProtocolVersion);
    writer.u32(static_cast<std::uint32_t>(models.size()));
    for (const ModelEntry& model : models) {
        put_text(writer, model.name);
        writer.u32(model.version);
        writer.raw(model.fingerprint);
        put_text(writer, model.title);
    }
    return writer.take();
}

std::vector<ModelEntry> decode_model_list(std::span<const std::uint8_t> payload) {
    ByteReader reader(payload, "model list");
    check_magic(reader);
    const std::uint32_t version = reader.u32();
    if (version != kProtocolVersion)
        throw Error(ErrorKind::kProtocol, "the server speaks protocol version " + std::to_string(version) +
                                              ", this client version " + std::to_string(kProtocolVersion));
    const std::uint32_t count = reader.u32();
    if (count > kMaxModelEntries) throw Error(ErrorKind::kProtocol, "model list: too many models");
    std::vector<ModelEntry> models;
    for (std::uint32_t i = 0; i < count; ++i) {
        ModelEntry& model = models.emplace_back();
        model.name = take_text(reader, kMaxModelNameBytes);
        model.version = reader.u32();
        model.fingerprint = reader.array<32>();
        model.title = take_text(reader, kMaxTitleBytes);
    }
    reader.end();
    return models;
}

ClientHello decode_client_hello(std::span<const std::uint8_t> payload) {
    ByteReader reader(payload, "client hello");
    check_magic(reader);
    ClientHello hello;
    hello.version = reader.u32();
    // A newer version may have appended fields; the version mismatch is the error to report then, not the length.
    if (hello.version != kProtocolVersion) return hello;
    hello.expected_fingerprint = reader.array<32>();
    hello.model = take_text(reader, kMaxModelNameBytes);
    hello.token = take_token(reader);
    hello.in_flight = take_in_flight(reader);
    reader.end();
    return hello;
}

std::vector<std::uint8_t> encode(const ServerHello& hello) {
    ByteWriter writer;
    writer.u32(kMagic);
    writer.u32(hello.version);
    writer.raw(hello.secret_digest);
    writer.u32(static_cast<std::uint32_t>(hello.architecture.size()));
    writer.raw(hello.architecture);
    writer.u32(hello.guarded ? 1 : 0);
    writer.raw(hello.epoch);
    if (hello.session) writer.raw(*hello.session);
    put_in_flight(writer, hello.in_flight);
    return writer.take();
}

ServerHello decode_server_hello(std::span<const std::uint8_t> payload) {
    ByteReader reader(payload, "server hello");
    check_magic(reader);
    ServerHello hello;
    hello.version = reader.u32();
    if (hello.version != kProtocolVersion) return hello;
    hello.secret_digest = reader.array<32>();
    const std::uint32_t size = reader.u32();
    if (size > model::kMaxArchitectureBytes)
        throw Error(ErrorKind::kProtocol, "server hello: the architecture is too large");
    const auto bytes = reader.raw(size);
    hello.architecture.assign(bytes.begin(), bytes.end());
    const std::uint32_t guarded = reader.u32();
    if (guarded > 1) throw Error(ErrorKind::kProtocol, "server hello: it neither guards its vectors nor does not");
    hello.guarded = guarded == 1;
    hello.epoch = reader.array<std::tuple_size_v<Epoch>>();
    if (reader.left() >= std::tuple_size_v<PublicSeed>) hello.session = reader.array<std::tuple_size_v<PublicSeed>>();
    hello.in_flight = take_in_flight(reader);
    reader.end();
    return hello;
}

std::size_t public_key_bytes(const scheme::DirectRing& ring) {
    return lattice::packed_bytes(ring.degree, ring.modulus_bits);
}

void append_public_key(std::vector<std::uint8_t>& out, const scheme::DirectRing& ring,
                       std::span<const std::uint32_t> public_b) {
    std::vector<std::uint32_t> residues(public_b.begin(), public_b.end());
    for (std::uint32_t& word : residues) word >>= ring.low_bits();
    const std::size_t at = out.size();
    out.resize(at + public_key_bytes(ring));
    lattice::pack(std::span<const std::uint32_t>(residues), ring.modulus_bits, std::span(out).subspan(at));
}

void decode_public_key(std::span<const std::uint8_t> bytes, const scheme::DirectRing& ring,
                       std::span<std::uint32_t> public_b) {
    lattice::unpack(bytes, ring.modulus_bits, public_b);
    lattice::from_top_bits(public_b, ring.modulus_bits);
}

std::vector<std::uint8_t> encode_upload(std::span<const std::uint32_t> b, const packing::Stream& stream) {
    std::vector<std::uint32_t> sent;
    sent.reserve(stream.sent_coefficients());
    for (const lattice::CoefficientRange& range : stream.sent)
        sent.insert(sent.end(), b.begin() + range.begin, b.begin() + range.end);
    lattice::round_to_top_bits(sent, stream.upload_bits);
    std::vector<std::uint8_t> out(upload_bytes(stream));
    lattice::pack(std::span<const std::uint32_t>(sent), stream.upload_bits, out);
    return out;
}

void decode_upload(std::span<const std::uint8_t> payload, const packing::Stream& stream, std::span<std::uint32_t> b) {
    std::vector<std::uint32_t> sent(stream.sent_coefficients());
    lattice::unpack(payload, stream.upload_bits, std::span<std::uint32_t>(sent));
    lattice::from_top_bits(sent, stream.upload_bits);
    std::size_t next = 0;
    for (const lattice::CoefficientRange& range : stream.sent) {
        std::copy_n(sent.begin() + static_cast<std::ptrdiff_t>(next), range.size(), b.begin() + range.begin);
        next += range.size();
    }
}

void round_to_bytes(std::span<std::uint32_t> words, int zero_low_bytes) {
    const std::uint32_t unit = std::uint32_t{1} << (8 * zero_low_bytes), half = unit / 2, mask = 0 - unit;
    for (std::uint32_t& word : words) word = (word + half) & mask;
}

std::size_t start_bytes(const packing::Plan& plan) {
    std::size_t bytes = plan.has_levels() ? sizeof(PublicSeed) : 0;
    for (const packing::KeyName& key : plan.keys()) bytes += public_key_bytes(scheme::direct_ring(key.degree));
    return bytes;
}

std::size_t upload_bytes(const packing::Stream& stream) {
    return lattice::packed_bytes(stream.sent_coefficients(), stream.upload_bits);
}

std::size_t linear_response_bytes(std::size_t degree, int share_bits, std::size_t results) {
    return lattice::packed_bytes(degree, response_a_bits(share_bits)) +
           lattice::packed_bytes(results, response_b_bits(share_bits));
}

std::size_t result_share_bytes(int share_bits, std::size_t results) {
    return lattice::packed_bytes(results, share_bits);
}

}  // namespace flash::protocol
