// Checks one private inference against integer arithmetic, layer by layer: with the shares of both parties at hand,
// every pre-activation must be its exact accumulator times 2^m / T up to one unit, and every activation must be exact;
// a sine, which depends on the shares of X, exact for these and within its bound of the curve without them. Only for
// tests and `flash eval`, where one process plays both parties (see probe.h).
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "model/twin.h"
#include "protocol/probe.h"

namespace flash::protocol {

struct AuditLayer {
    double largest_error = 0;            ///< max |X - acc 2^m / T| in units of X; below 1 plus the encryption noise
    double mean_error = 0;               ///< near 0: the rounding is unbiased
    double use = 0;                      ///< largest |acc| / (T/4); 0 for sines
    std::int64_t out_of_range = 0;       ///< pre-activations that left the guard range; sines have none
    std::int64_t wrong_activations = 0;  ///< Y is not exactly what the curve gives of X, or of its shares
    double sine_use = 0;                 ///< largest |Y - rounded curve| of a sine, over its bound
};

struct AuditReport {
    std::vector<AuditLayer> layers;
    double largest_error() const;
    std::int64_t out_of_range() const;
    std::int64_t wrong_activations() const;
    double largest_sine_use() const;  ///< at most 1
};

class Audit {
public:
    /// twin must be of this model; both must outlive the audit.
    Audit(const model::Model& model, const model::Twin& twin);

    ShareProbe& client() { return client_; }
    ShareProbe& server() { return server_; }

    /// After both parties have finished.
    AuditReport check() const;
    /// Reconstructed X of one layer.
    std::vector<std::int32_t> pre_activations(int layer) const;

private:
    struct Recorder : ShareProbe {
        void pre_activation(int layer, std::span<const std::uint32_t> share) override;
        void value(int value, std::span<const std::uint32_t> share) override;
        std::vector<std::vector<std::uint32_t>> pre_activations, values;
    };
    std::vector<std::int64_t> value(int value) const;

    const model::Model& model_;
    const model::Twin& twin_;
    Recorder client_, server_;
};

}  // namespace flash::protocol
