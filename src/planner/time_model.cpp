#include "planner/time_model.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <numeric>

#include "protocol/messages.h"

namespace flash::planner {

namespace {

/// Work that may be done ahead of the layer that needs it. Counted in seconds or bytes, all layers in a row.
class Ahead {
public:
    Ahead(std::vector<double> layers, double window) : layers_(std::move(layers)), window_(window) {}
    /// What of layer l is still missing when it comes to be needed; it counts as done from then on.
    double missing(std::size_t l) {
        double missing = layers_[l];
        if (done_ >= missing) {
            done_ -= missing;
            missing = 0;
        } else {
            missing -= done_;
            done_ = 0;
        }
        rest_from_ = l + 1;
        return missing;
    }
    /// Uses spare capacity for later layers; returns what of it was used.
    double advance(double capacity) {
        double rest = -done_;
        for (std::size_t l = rest_from_; l < layers_.size(); ++l) rest += layers_[l];
        const double used = std::clamp(std::min(rest, window_ - done_), 0.0, std::max(0.0, capacity));
        done_ += used;
        return used;
    }

private:
    std::vector<double> layers_;
    double window_, done_ = 0;
    std::size_t rest_from_ = 0;
};

template <class Of>
std::vector<double> column(const std::vector<LayerWork>& work, Of of) {
    std::vector<double> values;
    values.reserve(work.size());
    for (const LayerWork& layer : work) values.push_back(static_cast<double>(of(layer)));
    return values;
}

}  // namespace

double Prediction::seconds() const {
    return std::accumulate(layers.begin(), layers.end(), start,
                           [](double sum, const LayerTime& layer) { return sum + layer.seconds; });
}

Prediction predict(const std::vector<LayerWork>& work, const Rates& rates, const Setting& setting) {
    constexpr double kUnbounded = std::numeric_limits<double>::infinity();
    const double bytes_per_second = setting.link ? setting.link->bits_per_second / 8 : kUnbounded;
    const double byte_work = setting.tls ? rates.tls_byte : rates.memory_byte;  // of both ends together
    const double turn =
        (setting.tls ? rates.tls_turn : rates.memory_turn) + (setting.link ? setting.link->round_trip_seconds : 0);
    const double cores = setting.cores > 1 ? setting.cores * rates.efficiency : 1;
    // Processor seconds of each party, half of the connection's work for each end.
    const auto client_ahead = [&](const LayerWork& w) {
        return w.prepare_upload + w.prepare + byte_work / 2 * static_cast<double>(w.key_bytes);
    };
    const auto server_ahead = [&](const LayerWork& w) {
        return w.keys + byte_work / 2 * static_cast<double>(w.key_bytes);
    };
    const auto client_now = [&](const LayerWork& w) {
        return w.decrypt + w.respond + byte_work / 2 * static_cast<double>(w.response + w.answer);
    };
    const auto server_now = [&](const LayerWork& w) {
        return w.mask + w.finish + byte_work / 2 * static_cast<double>(w.response + w.answer);
    };
    const auto client_upload = [&](const LayerWork& w) {
        return w.encrypt + byte_work / 2 * static_cast<double>(w.upload);
    };
    const auto server_product = [&](const LayerWork& w) {
        return w.add_share + w.product + w.shifts + byte_work / 2 * static_cast<double>(w.upload);
    };

    Ahead client_work(column(work, client_ahead), kUnbounded), server_work(column(work, server_ahead), kUnbounded);
    Ahead key_bytes(column(work, [](const LayerWork& w) { return w.key_bytes; }),
                    static_cast<double>(protocol::kAheadBytes));
    const double parties = setting.shared_cores ? 1 : 2;  // pools of cores

    Prediction prediction;
    prediction.start = rates.setup + turn;
    for (std::size_t l = 0; l < work.size(); ++l) {
        const LayerWork& w = work[l];
        const double product = server_product(w);
        // All cores share the work, but no more than there are chunks can answer them and finish them.
        const double fewer = cores / std::min(cores, w.pieces) - 1;
        const double client_rest = client_work.missing(l), server_rest = server_work.missing(l);
        const double client = client_now(w) + client_rest, server = server_now(w) + server_rest;
        const double client_seconds = (client + fewer * w.respond) / cores,
                     server_seconds = (server + fewer * w.finish) / cores;
        const double down = (static_cast<double>(w.response) + key_bytes.missing(l)) / bytes_per_second;
        const double up = static_cast<double>(w.answer) / bytes_per_second,
                     upload_up = static_cast<double>(w.upload) / bytes_per_second,
                     upload_seconds = client_upload(w) / cores;
        LayerTime time;
        // A pipeline of stages: the slowest decides, and the first piece has to go through the others.
        const auto pipeline = [](std::initializer_list<double> stages, double pieces) {
            double sum = 0;
            for (double stage : stages) sum += stage;
            const double slowest = std::max(stages);
            return slowest + (sum - slowest) / pieces;
        };
        const double processors =
            setting.shared_cores ? client_seconds + server_seconds : std::max(client_seconds, server_seconds);
        const double streamed = setting.shared_cores ? pipeline({processors, down, up}, w.pieces)
                                                     : pipeline({client_seconds, server_seconds, down, up}, w.pieces);
        time.seconds = turn + pipeline({upload_seconds, upload_up}, w.upload_pieces) + product / cores + streamed;
        const double most = std::max({upload_seconds + product / cores + processors, down, upload_up + up, turn});
        time.bound = most == turn             ? LayerTime::Bound::kTurn
                     : most == down           ? LayerTime::Bound::kDown
                     : most == upload_up + up ? LayerTime::Bound::kUp
                                              : LayerTime::Bound::kProcessor;
        prediction.layers.push_back(time);
        // What is left of cores and links in this time goes to later layers.
        key_bytes.advance(bytes_per_second < kUnbounded ? (time.seconds - down) * bytes_per_second : kUnbounded);
        const double uploaded = client_upload(w);
        double spare = cores * time.seconds - (client + uploaded + server + product);
        if (parties == 1) {
            spare -= server_work.advance(spare);
            client_work.advance(spare);
        } else {
            server_work.advance(cores * time.seconds - server - product);
            client_work.advance(cores * time.seconds - client - uploaded);
        }
    }
    return prediction;
}

}  // namespace flash::planner
