// The server's side: a compiled model, and the service that answers private inferences on it.
//
//   flash::Server server(flash::Model::load("resnet20.flash"), {.listen = "0.0.0.0:7400"});
//   std::cout << server.address() << ' ' << server.pin();
//   ... server.stop();
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flash/error.h"
#include "flash/model.h"

namespace flash {

/// What the clear-text twin computes: the integers of a private run, without cryptography.
struct TwinAnswer {
    std::vector<float> logits;
    std::int64_t out_of_range = 0;  ///< values beyond their ranges: a private run would be wrong there
};

/// A compiled model, public and secret half. Cheap to copy: copies share the weights, which nothing changes.
class Model {
public:
    /// Error(kFile) with what is wrong.
    static Model load(const std::filesystem::path& path);
    /// Atomic: an existing file is replaced by a whole one or stays as it was.
    void save(const std::filesystem::path& path) const;

    const ModelInfo& info() const;
    /// The quick way to measure deployed accuracy. Thread-safe. `input` as for Client::infer.
    TwinAnswer evaluate(std::span<const float> input) const;

    struct Data;  ///< of the library
    explicit Model(std::shared_ptr<const Data> data);
    const Data& data() const { return *data_; }

private:
    std::shared_ptr<const Data> data_;
};

struct ServerOptions {
    std::string listen = "127.0.0.1:0";  ///< HOST:PORT; port 0: a free one
    /// Certificate chain and key, PEM: both, or neither for a self-signed pair that lives as long as the server.
    std::optional<std::filesystem::path> certificate{}, key{};
    std::size_t max_sessions = 16;
    int in_flight = 4;  ///< inferences that one session may have run at a time, each with the memory of one
    std::chrono::milliseconds timeout{30'000};        ///< for each awaited message of an inference
    std::chrono::milliseconds idle_timeout{300'000};  ///< between inferences
};

/// Serves from its own threads until stop() or destruction. All functions may be called from any thread. What it
/// notices about connections goes to the log (flash/log.h), which is silent until a program sets it.
class Server {
public:
    /// Prepares the model, binds and starts. Error: kInvalidArgument, kNetwork (address in use), kFile (certificate).
    explicit Server(const Model& model, ServerOptions options = {});
    ~Server();
    Server(Server&&) noexcept;
    Server& operator=(Server&&) noexcept;

    std::string address() const;  ///< HOST:PORT, with the real port
    std::string pin() const;      ///< of its certificate, for ClientOptions::pin
    std::size_t sessions() const;
    std::uint64_t inferences() const;  ///< answered so far
    /// Accepts no more, ends the sessions, waits for them. Later calls do nothing.
    void stop();

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace flash
