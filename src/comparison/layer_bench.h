// `flash bench layers`: what a linear layer costs the server, beside the plain convolution.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "comparison/layer_shape.h"
#include "comparison/plain_timing.h"
#include "comparison/samples.h"

namespace flash::comparison {

struct LayerResult {
    LayerShape shape;
    std::int64_t ring_multiply_adds = 0;  ///< of the product on polynomials: result polynomials x columns x n
    int degree = 0;                       ///< of the ring
    int upload_ciphertexts = 0, response_ciphertexts = 0;
    Samples product;  ///< the `b` half alone
    Samples online;   ///< from the first upload awaited until the last response sent: receive, add the share, product,
                      ///< mask, pack
    Samples bare;  ///< the bare multiply-accumulate loop of these kernels on one core, for as many multiply-adds; empty
                   ///< for portable ones
    PlainResult plain;  ///< float32 convolution
};

struct LayerOptions {
    int threads = 1;
    int runs = 7;
    int degree = 0;  ///< of the ring; 0: as the compiler chooses
};

/// Measures one layer; the three things take turns, so that a disturbance hits them alike.
LayerResult measure_layer(const LayerShape& shape, const LayerOptions& options);

nlohmann::json to_json(const LayerResult& result);

struct LayersCommand {
    std::vector<std::string> layers;  ///< empty: default_layer_shapes()
    int threads = 0;                  ///< 0: all cores
    int runs = 7;
    int degree = 0;    ///< of the ring; 0: as the compiler chooses
    std::string json;  ///< a file, "-" for standard output, empty for tables
};

void run_layers(const LayersCommand& command);

}  // namespace flash::comparison
