// What a private inference costs, layer by layer, before it is run: exact bytes, and the time that the planner predicts
// for a link.
//
//   flash::Plan plan = flash::plan(flash::Model::load("net.flash"), {.link = "wan"});
//   std::cout << plan.seconds << " s, " << plan.upload_bytes + plan.download_bytes << " bytes\n";
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flash/error.h"
#include "flash/model.h"
#include "flash/server.h"

namespace flash {

/// Where the two parties are.
struct PlanOptions {
    /// "lan" (3 Gbit/s, 0.3 ms), "wan" (400 Mbit/s, 40 ms), or bandwidth and round trip such as "50M,20ms"; "none": the
    /// loopback interface of this machine.
    std::string link = "none";
    int cores = 0;              ///< of each party; 0: as many as this machine has
    bool shared_cores = false;  ///< both parties on the same cores; always so without a link
};

struct LayerPlan {
    std::string name;
    Shape3 output;
    int share_bits = 0;   ///< m: both parties hold the layer's values mod 2^m
    int ring_degree = 0;  ///< n of its linear ciphertexts
    std::int64_t upload_ciphertexts = 0, response_ciphertexts = 0, activation_values = 0;
    std::uint64_t upload_bytes = 0;    ///< client to server, exactly
    std::uint64_t download_bytes = 0;  ///< server to client
    double seconds = 0;                ///< predicted, from the answer to the layer before to this one's
    std::string waits_for;             ///< what most of it goes to: "cores", "down", "up" or "turn" (round trip)
    double client_seconds = 0, server_seconds = 0;  ///< work of one thread
    std::uint64_t server_memory = 0;                ///< bytes of weights as the server arranges them
};

struct Plan {
    std::vector<LayerPlan> layers;
    double seconds = 0;                                  ///< one inference, predicted
    double start_seconds = 0;                            ///< of it, keys and the first exchange
    std::uint64_t upload_bytes = 0, download_bytes = 0;  ///< of one inference, exactly
    int round_trips = 0;
    std::uint64_t client_memory = 0, server_memory = 0;  ///< bytes that a session holds at most, beside the model
    double log2_wrong = 0;  ///< log2 of the probability that roundings make an inference wrong
};

/// Measures this machine for about a second and predicts for two like it. Error(kInvalidArgument) for a link that
/// cannot be read.
Plan plan(const Model& model, const PlanOptions& options = {});

}  // namespace flash
