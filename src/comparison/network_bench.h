// `flash bench network`: whole private inferences with both parties on this machine, beside the plain network.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "comparison/pictures.h"
#include "comparison/plain_timing.h"
#include "comparison/samples.h"
#include "comparison/scaling.h"
#include "model/model.h"
#include "protocol/client_inference.h"

namespace flash::comparison {

/// Inferences over one kind of connection.
struct ConnectionResult {
    /// The runs on one picture, against the clear-text twin.
    struct Check {
        int runs = 0;
        int same_class = 0;
        double largest_logit_difference = 0;
    };
    std::string name;  ///< "memory", "tls", "tls, wan"
    std::string link;  ///< bandwidth and round trip, "none" where nothing is emulated
    Samples seconds;
    double predicted_seconds = 0;  ///< by the planner, from rates measured before the runs
    protocol::StepSeconds steps;   ///< of the client, in the fastest run
    std::uint64_t bytes_up = 0, bytes_down = 0;
    int round_trips = 0;
    std::vector<Check> checks;  ///< as many as pictures
};

/// An inference of its own with the shares of both parties laid open (protocol/audit.h); it is not timed.
struct AuditResult {
    double largest_rounding_error = 0;  ///< in units of X; one is allowed, plus the encryption noise
    std::int64_t out_of_range = 0, wrong_activations = 0;
    bool correct() const { return out_of_range == 0 && wrong_activations == 0; }
};

/// The network as it was exported, in float32 by oneDNN.
struct OriginalResult {
    PlainResult plain;  ///< empty: no ONNX file was given, or there is no library
    std::int64_t multiply_adds = 0;
    double largest_difference =
        0;  ///< of its logits from those of the folded network in double precision, relative to the largest of these
};

struct NetworkResult {
    std::string name;
    Pictures pictures;
    std::int64_t activation_values = 0, multiply_adds = 0;
    int activation_layers = 0;
    int threads = 0;
    double load_seconds = 0;         ///< preparing the model to be served
    std::size_t model_bytes = 0;     ///< what the prepared model holds
    std::size_t resident_bytes = 0;  ///< of the process before the inferences
    std::size_t peak_bytes =
        0;  ///< of the process during one inference in memory: what both parties hold, on top of that
    AuditResult audit;
    std::vector<ConnectionResult> connections;
    PlainResult plain;  ///< of the network as it was compiled
    OriginalResult original;
    std::vector<ScalingPoint> scaling;

    /// Every run's logits are the twin's up to random rounding. (Classes whose logits are closer than that may change
    /// places.)
    bool correct(const ConnectionResult& connection) const;
};

struct NetworkCommand {
    std::filesystem::path model;
    std::filesystem::path onnx;      ///< of the model, as it was exported: that is measured too. Empty: not
    std::string data;                ///< data SPEC; empty: random pixels
    int inputs = 5;                  ///< pictures of it, used in turns
    int threads = 0;                 ///< of both parties together; 0: all cores
    int runs = 7;                    ///< at least one for each picture
    int link_runs = 0;               ///< over each emulated link; 0: as many
    std::vector<std::string> links;  ///< for transport::parse_link: also over TLS with these links emulated
    bool guard = false;              ///< each connection also with a server that guards its vectors
    bool scaling = false;
    std::string json;
};

NetworkResult measure_network(const model::Model& model, const NetworkCommand& command);
nlohmann::json to_json(const NetworkResult& result);
std::string network_text(const NetworkResult& result);  ///< the tables
void run_network(const NetworkCommand& command);

}  // namespace flash::comparison
