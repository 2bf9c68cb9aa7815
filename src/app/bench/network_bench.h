// `flash bench network`: whole private inferences with both parties on this machine, beside the plain network.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "app/bench/plain_timing.h"
#include "app/bench/samples.h"
#include "app/bench/scaling.h"
#include "model/model.h"
#include "protocol/client_inference.h"

namespace flash::bench {

/// Inferences over one kind of connection.
struct ConnectionResult {
    std::string name;  ///< "memory", "tls", "tls, wan"
    std::string link;  ///< bandwidth and round trip, "none" where nothing is emulated
    Samples seconds;
    protocol::PhaseSeconds phases;  ///< of the client, in the fastest run
    std::uint64_t bytes_up = 0, bytes_down = 0;
    int round_trips = 0;
    // Against the clear-text twin, over all runs.
    int same_class = 0;
    double largest_logit_difference = 0;
    // An inference of its own with the shares of both parties laid open (protocol/audit.h); it is not timed.
    double largest_rounding_error = 0;  ///< in units of X; one is allowed, plus the encryption noise
    std::int64_t out_of_range = 0, wrong_activations = 0;
    double logit_bound = 0;             ///< app::logit_bound of this input
    /// Every run's logits are the twin's up to random rounding. (Classes whose logits are closer than that may change places.)
    bool correct() const { return largest_logit_difference <= logit_bound && out_of_range == 0 && wrong_activations == 0; }
};

struct NetworkResult {
    std::string name, input;
    std::int64_t activation_values = 0, multiply_adds = 0;
    int activation_layers = 0;
    int threads = 0, runs = 0;
    double load_seconds = 0;        ///< preparing the model to be served
    std::size_t model_bytes = 0;    ///< what the prepared model holds
    std::size_t resident_bytes = 0; ///< of the process before the inferences
    std::size_t peak_bytes = 0;     ///< of the process during one inference in memory: what both parties hold, on top of that
    std::vector<ConnectionResult> connections;
    PlainResult plain;
    std::vector<ScalingPoint> scaling;
};

struct NetworkCommand {
    std::filesystem::path model;
    std::string data;      ///< data SPEC, its first picture is used; empty: random pixels
    int threads = 0;       ///< of both parties together; 0: all cores
    int runs = 7;
    std::vector<std::string> links;  ///< for transport::parse_link: also over TLS with these links emulated
    bool scaling = false;
    std::string json;
};

NetworkResult measure_network(const model::Model& model, const NetworkCommand& command);
nlohmann::json to_json(const NetworkResult& result);
void run_network(const NetworkCommand& command);

}  // namespace flash::bench
