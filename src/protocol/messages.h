// Payloads of the control messages and of the linear layers, and their exact sizes; those of the activation are in
// protocol/activation/. docs/formats.md describes the bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "base/secret.h"
#include "model/architecture.h"
#include "packing/plan.h"
#include "protocol/epoch.h"
#include "scheme/parameters.h"

namespace flash::protocol {

inline constexpr std::uint32_t kProtocolVersion = 5;
/// What TLS calls it (ALPN).
inline constexpr const char* kProtocolName = "flash/5";

// Caps on what a peer may announce; model::kMaxArchitectureBytes is another.

/// Server vectors that the server may send before the client answered them: bounds the client's memory.
inline constexpr std::size_t kAheadBytes = std::size_t{64} << 20;
/// Answers that the client prepares before they are needed.
inline constexpr std::size_t kPreparedBytes = std::size_t{16} << 20;
/// Uploads that the client prepares before there is anything to upload.
inline constexpr std::size_t kPreparedUploadBytes = std::size_t{16} << 20;
/// Uploads that the client may send before the server answered them, beyond those of the layer at work: bounds the
/// server's memory.
inline constexpr std::size_t kUploadAheadBytes = std::size_t{32} << 20;

/// Of each kind (ahead of need, and not) that may wait for the line. Enough to keep any line busy while a party
/// computes.
inline constexpr std::size_t kSendQueueBytes = std::size_t{8} << 20;

struct ClientHello {
    std::uint32_t version = kProtocolVersion;
    Sha256 expected_fingerprint{};  ///< all zero: any model
    std::string model;              ///< its name at the server, perhaps with a version; empty: the only one
    SecretVector<char> token;       ///< that says who the client is; empty: none
    std::uint32_t in_flight = 1;    ///< inferences at a time that the client asks for; 1..kMaxInFlight
};
/// Inferences at a time on one connection, each in a lane of its own (transport/lanes.h).
inline constexpr std::uint32_t kMaxInFlight = 64;
/// Of a token, whatever a server takes for one.
inline constexpr std::size_t kMaxTokenBytes = 256;
/// Of a name with its version.
inline constexpr std::size_t kMaxModelNameBytes = 80;

struct ServerHello {
    std::uint32_t version = kProtocolVersion;
    Sha256 secret_digest{};  ///< salted digest of the weights; with the architecture it gives the fingerprint
    std::vector<std::uint8_t> architecture;
    bool guarded = false;               ///< Activation::guarded
    Epoch epoch{};                      ///< of the model's public polynomials
    std::optional<PublicSeed> session;  ///< of this session; only where keys have levels (packing/levels.h)
    std::uint32_t in_flight = 1;        ///< inferences at a time that the server takes; at most those asked for
};

/// What a server offers.
struct ModelEntry {
    std::string name;
    std::uint32_t version = 0;  ///< 0: none
    Sha256 fingerprint{};
    std::string title;  ///< what the model's file calls it
};
inline constexpr std::size_t kMaxModelEntries = 4096;

std::vector<std::uint8_t> encode(const ClientHello& hello);
/// kListModels: the client's token.
std::vector<std::uint8_t> encode_list_models(std::span<const char> token);
std::vector<std::uint8_t> encode(std::span<const ModelEntry> models);
std::vector<std::uint8_t> encode(const ServerHello& hello);
/// Each throws Error(kProtocol) when malformed. Versions are returned as they are: the caller reports a mismatch.
ClientHello decode_client_hello(std::span<const std::uint8_t> payload);
ServerHello decode_server_hello(std::span<const std::uint8_t> payload);
SecretVector<char> decode_list_models(std::span<const std::uint8_t> payload);
/// Names and titles come out as printable ASCII.
std::vector<ModelEntry> decode_model_list(std::span<const std::uint8_t> payload);

/// The client's public keys: b of each key of the plan, in the order of Plan::keys(), packed at the bits of its q.
/// Where keys have levels, the client's nonce comes before them.
std::size_t public_key_bytes(const scheme::DirectRing& ring);
void append_public_key(std::vector<std::uint8_t>& out, const scheme::DirectRing& ring,
                       std::span<const std::uint32_t> public_b);
/// bytes: exactly public_key_bytes; public_b: n words.
void decode_public_key(std::span<const std::uint8_t> bytes, const scheme::DirectRing& ring,
                       std::span<std::uint32_t> public_b);

using scheme::response_a_bits;
using scheme::response_b_bits;

/// The coefficients of a b half (n words) that travel, rounded to their top upload_bits, and back: what did not travel
/// is zero. Error(kProtocol) if the payload is not exactly as long as it should be.
std::vector<std::uint8_t> encode_upload(std::span<const std::uint32_t> b, const packing::Stream& stream);
void decode_upload(std::span<const std::uint8_t> payload, const packing::Stream& stream, std::span<std::uint32_t> b);

/// Rounds words to multiples of 2^(8 zero_low_bytes), mod 2^32: an upload to which a share was added gets as coarse as
/// it came.
void round_to_bytes(std::span<std::uint32_t> words, int zero_low_bytes);

/// Of the keys; the activation's part comes after them.
std::size_t start_bytes(const packing::Plan& plan);
/// The b half of one uploaded ciphertext: the coefficients that travel, bit-packed.
std::size_t upload_bytes(const packing::Stream& stream);
/// a'' of n = `degree` coefficients and so many results.
std::size_t linear_response_bytes(std::size_t degree, int share_bits, std::size_t results);
std::size_t result_share_bytes(int share_bits, std::size_t results);

}  // namespace flash::protocol
