// Measures the rates of planner/rates.h by what they are for: private inferences, of two small networks whose layers
// ask for much of one kind of work each. A span's median over many spans is taken, so that a thread that is interrupted
// now and then does not count.
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <exception>
#include <future>
#include <map>
#include <random>
#include <thread>

#include "base/instruction_set.h"
#include "base/profile.h"
#include "model/sine.h"
#include "planner/rates.h"
#include "planner/time_model.h"
#include "planner/work.h"
#include "protocol/activation/activation.h"
#include "protocol/local_parties.h"
#include "protocol/message_types.h"
#include "protocol/prepared_model.h"
#include "transport/loopback.h"
#include "transport/tls.h"

namespace flash::planner {

namespace {

namespace message_type = protocol::message_type;
namespace step = protocol::step;
using Clock = std::chrono::steady_clock;

constexpr int kRuns = 9;
constexpr std::chrono::milliseconds kRest{10};
constexpr int kUploadBits = 24;
constexpr int kUsualPlainBits = 24, kUsualWideBits = 26;  // of T that is not chosen yet

int usual(int plain_bits, int otherwise) { return plain_bits != 0 ? plain_bits : otherwise; }
constexpr std::size_t kDegree = model::kDefaultDegree;

/// Some layers with activations and a small result layer, all 1x1 convolutions of `channels` channels on square maps.
/// Random weights. Squares: of small networks the curve decides little.
model::Model sample_network(const RatedNetwork& network, int layers, int channels, int extent, int channels_per_input) {
    model::Model model;
    model::Architecture& a = model.architecture;
    a.name = "sample";
    a.slots = {8192, 2};  // it serves every T
    a.plain_bits = usual(network.plain_bits, kUsualPlainBits);
    a.input = {channels, extent, extent};
    a.input_scale = 0.01;
    a.input_limit = 100;
    a.input_upload_bits = kUploadBits;
    a.output_scale = 1;
    a.preprocessing.crop_height = a.preprocessing.crop_width = extent;
    std::mt19937 random(1);
    const auto draw = [&](int limit) { return std::uniform_int_distribution<int>(-limit, limit)(random); };
    for (int l = 0; l <= layers; ++l) {
        const bool last = l == layers;
        model::Layer layer;
        layer.name = "layer " + std::to_string(l);
        model::Term term;
        term.source = l;
        layer.terms.push_back(term);
        layer.output = {last ? 1 : channels, extent, extent};
        layer.share_bits = network.share_bits;
        layer.activation = !last;
        layer.upload_bits = kUploadBits;
        layer.packing.channels_per_input = channels_per_input;
        model::LayerWeights weights;
        weights.terms.resize(1);
        for (int w = 0; w < layer.output.channels * channels; ++w)
            weights.terms[0].weights.push_back(static_cast<std::int8_t>(draw(3)));
        const auto outputs = static_cast<std::size_t>(layer.output.channels);
        weights.bias.assign(outputs, 0);
        weights.x_scale.assign(outputs, 1.0);
        if (!last) {
            weights.kappa.assign(outputs, 1);
            weights.offset.assign(outputs, 0);
            weights.y_scale.assign(outputs, 1.0);
        }
        a.layers.push_back(layer);
        model.weights.layers.push_back(std::move(weights));
    }
    model.weights.salt.assign(32, 1);
    model::validate(model);
    return model;
}

/// Spans of both parties, seconds by party, step and layer; and of whole inferences.
struct Spans {
    std::vector<double> inferences;
    std::map<std::pair<Step, int>, std::vector<double>> client, server;
    void add(const Profile& profile, std::map<std::pair<Step, int>, std::vector<double>>& to) const {
        for (const Profile::Span& span : profile.spans())
            to[{span.step, span.layer}].push_back(std::chrono::duration<double>(span.end - span.begin).count());
    }
};

double median(std::vector<double> values) {
    if (values.empty()) return 0;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::ranges::nth_element(values, middle);
    return *middle;
}

/// One private inference in memory, both parties in this process.
void run(const protocol::PreparedModel& model, const protocol::ClientModel& known, std::span<const std::int32_t> input,
         Spans& spans) {
    Profile client_profile(Party::kClient), server_profile(Party::kServer);
    protocol::LocalParties parties;
    parties.client_profile = &client_profile;
    parties.server_profile = &server_profile;
    const auto begin = Clock::now();
    protocol::run_local(model, known, input, std::move(parties));
    spans.inferences.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    spans.add(client_profile, spans.client);
    spans.add(server_profile, spans.server);
}

class Sample {
public:
    /// pause: before each inference, so that it comes to a machine at rest.
    explicit Sample(model::Model network, std::chrono::milliseconds pause = {}) : model(std::move(network)) {
        const protocol::ClientModel known(model.architecture(), model.fingerprint());
        const std::vector<std::int32_t> input(static_cast<std::size_t>(known.architecture.input.size()), 1);
        Spans first;
        run(model, known, input, first);  // warms up, keeps the transforms of the public polynomials
        for (int i = 0; i < kRuns; ++i) {
            std::this_thread::sleep_for(pause);
            run(model, known, input, spans);
        }
    }
    const protocol::PreparedModel model;
    Spans spans;
    /// Of layers 0 and 1 in each of their spans (`at` one span each).
    double client(Step step) const { return both(spans.client, step); }
    double server(Step step) const { return both(spans.server, step); }
    double results_of_response() const {
        return static_cast<double>(
            packing::result_count(model.plan().layers[0], model.architecture().layers[0].output, 0));
    }

private:
    static double both(const std::map<std::pair<Step, int>, std::vector<double>>& spans, Step step) {
        std::vector<double> all;
        for (int layer : {Profile::kNoLayer, 0, 1})
            if (const auto found = spans.find({step, layer}); found != spans.end())
                all.insert(all.end(), found->second.begin(), found->second.end());
        return median(std::move(all));
    }
};

double processor_seconds() {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Sends messages from one end to the other, then small ones to and fro.
struct ChannelRates {
    double byte, turn;
};
ChannelRates measure_channel(transport::Channel& near, transport::Channel& far) {
    constexpr std::size_t kMessage = 100'000, kMessages = 80, kTurns = 60;
    std::exception_ptr failure;
    std::thread echo([&] {
        try {
            for (std::size_t i = 0; i < kMessages; ++i) far.receive(message_type::kUpload);
            for (std::size_t i = 0; i <= kTurns; ++i) far.send(far.receive(message_type::kUpload));
        } catch (...) {
            failure = std::current_exception();
            far.fail("the measurement failed");
        }
    });
    ChannelRates rates{};
    std::vector<double> turns;
    try {
        const double before = processor_seconds();
        for (std::size_t i = 0; i < kMessages; ++i)
            near.send({message_type::kUpload, 0, 0, std::vector<std::uint8_t>(kMessage)});
        for (std::size_t i = 0; i <= kTurns; ++i) {
            const auto begin = Clock::now();
            near.send({message_type::kUpload, 0, 0, std::vector<std::uint8_t>(16)});
            near.receive(message_type::kUpload);
            if (i == 0)
                rates.byte = (processor_seconds() - before) /
                             static_cast<double>(kMessage * kMessages);  // the first answer comes after all of them
            else
                turns.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
        }
    } catch (...) {
        if (!failure) failure = std::current_exception();
        near.fail("the measurement failed");
    }
    echo.join();
    if (failure) std::rethrow_exception(failure);
    rates.turn = median(std::move(turns));
    return rates;
}

ChannelRates measure_memory() {
    auto [near, far] = transport::make_loopback();
    return measure_channel(*near, *far);
}

ChannelRates measure_tls() {
    transport::ServerOptions options;
    options.identity = transport::make_self_signed({"localhost"});
    std::promise<std::unique_ptr<transport::Channel>> accepted;
    std::promise<void> done;
    std::shared_future<void> finished = done.get_future().share();
    transport::TlsServer server(std::move(options),
                                [&](std::unique_ptr<transport::Channel> channel, const transport::Peer&) {
                                    accepted.set_value(std::move(channel));
                                    finished.wait();
                                });
    transport::ClientOptions client;
    client.host = "127.0.0.1";
    client.port = server.address().port;
    client.pinned_fingerprint = server.fingerprint();
    ChannelRates rates{};
    {
        const auto near = transport::connect_tls(client);
        const auto far = accepted.get_future().get();
        transport::Limits limits;
        limits.max_queued = std::size_t{32} << 20;
        far->set_limits(limits);
        rates = measure_channel(*near, *far);
    }
    done.set_value();
    return rates;
}

/// Scaled shifts, on one thread.
double measure_shift() {
    constexpr std::size_t kInputs = 64, kTimes = 20;
    std::vector<std::uint32_t> in(kInputs * kDegree, 1), out(kDegree);
    const lattice::CoefficientTiles tiles = lattice::CoefficientTiles::whole(kDegree);
    std::vector<double> seconds;
    for (std::size_t i = 0; i < kTimes; ++i) {
        const auto begin = Clock::now();
        for (std::size_t input = 0; input < kInputs; ++input)
            lattice::add_scaled_shift(std::span<const std::uint32_t>(in).subspan(input * kDegree, kDegree), -7, 3,
                                      tiles, out);
        seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
    }
    return median(std::move(seconds)) / static_cast<double>(kInputs * kDegree);
}

/// The four steps of full chunks of a network of 2^18 coefficients or more, one after the other. Zeros where these
/// slots have no parameters for this T.
ChunkRates measure_chunk(const scheme::CompositeShape& shape, int plain_bits, const RatedNetwork& network) {
    constexpr std::size_t kTimes = 5;
    model::Architecture architecture;
    architecture.slots = {static_cast<int>(shape.degree), shape.residues};
    architecture.plain_bits = plain_bits;
    model::Layer& layer = architecture.layers.emplace_back();
    const int chunks = (1 << 18) / architecture.slots.degree;
    layer.output = {chunks * shape.residues, architecture.slots.degree / 64, 64};
    layer.share_bits = network.share_bits;
    layer.activation = true;
    if (network.sines_only) {
        layer.curve = model::Curve::kSine;
        layer.amplitude = model::kAmplitudes.front();
    }
    std::shared_ptr<const protocol::Activation> activation;
    try {
        activation = protocol::make_activation(architecture);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::kUnsupported && error.kind() != ErrorKind::kInvalidArgument) throw;
        return {};
    }
    const auto channels = static_cast<std::size_t>(layer.output.channels);
    const std::vector<protocol::ActivationCurve> curves{
        {std::vector<std::int32_t>(network.sines_only ? 0 : channels, 1), std::vector<std::int32_t>(channels, 0)}};
    const auto client = activation->client(SecretSeed::for_testing(1));
    const auto server = activation->server(curves, client->start(), SecretSeed::for_testing(2));
    client->begin(server->setup());
    const std::vector<std::uint32_t> shares(static_cast<std::size_t>(layer.output.size()), 1);
    SecretVector<std::uint32_t> client_result(shares.size()), server_result(shares.size());
    const auto seconds_of = [](const auto& step) {
        const auto begin = Clock::now();
        step();
        return std::chrono::duration<double>(Clock::now() - begin).count();
    };
    std::array<std::vector<double>, 4> seconds;
    for (std::size_t chunk = 0; chunk <= kTimes; ++chunk) {
        std::vector<std::uint8_t> vectors, answer;
        std::unique_ptr<protocol::PreparedAnswer> prepared;
        const std::array<double, 4> taken{
            seconds_of([&] { prepared = client->prepare(0, chunk); }), seconds_of([&] {
                vectors = server->make_vectors(chunk, [&](int) { return std::span<const std::uint32_t>(shares); });
            }),
            seconds_of([&] { answer = client->answer(0, chunk, std::move(prepared), vectors, shares, client_result); }),
            seconds_of([&] { server->finish(0, chunk, answer, shares, server_result); })};
        for (std::size_t i = 0; chunk > 0 && i < taken.size(); ++i) seconds[i].push_back(taken[i]);  // warm
    }
    return {median(seconds[0]), median(seconds[2]), median(seconds[1]), median(seconds[3])};
}

ShapeRates measure_chunks(int plain_bits, const RatedNetwork& network) {
    ShapeRates rates;
    for (std::size_t i = 0; i < rates.size(); ++i)
        rates[i] = measure_chunk(scheme::kCompositeShapes[i], plain_bits, network);
    return rates;
}

/// What inferences take beyond their work. wall = setup + work / (cores * efficiency) + layers * turn, from a network
/// of small layers and one of large ones, both on all cores.
void measure_overheads(const RatedNetwork& network, Rates& rates) {
    Setting setting;
    setting.tls = false;
    setting.shared_cores = true;
    setting.cores = tbb::this_task_arena::max_concurrency();
    Rates bare = rates;
    bare.memory_turn = 0;
    bare.efficiency = 1;
    struct Equation {
        double work, layers, wall;
    };
    const auto equation = [&](int layers, int channels, int extent) {
        const Sample sample(sample_network(network, layers, channels, extent, 0), kRest);
        const auto& model = sample.model;
        const double work =
            predict(network_work(model.architecture(), model.plan(), model.cost(), bare), bare, setting).seconds() -
            bare.setup;
        return Equation{work, layers + 2.0,
                        std::max(0.0, median(sample.spans.inferences) -
                                          bare.setup)};  // the result layer and the start are turns too
    };
    const Equation small = equation(8, 16, 16), large = equation(4, 32, 44);
    const double determinant = small.work * large.layers - large.work * small.layers;
    const double inverse =
        std::abs(determinant) > 0 ? (small.wall * large.layers - large.wall * small.layers) / determinant : 1;
    rates.efficiency = 1 / std::clamp(inverse, 1.0, 2.0);
    rates.memory_turn = std::max(0.0, (small.wall - small.work / rates.efficiency) / small.layers);
}

Rates measure_work(const RatedNetwork& network) {
    // One thread: what is measured is work, not speed-up.
    const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, 1);
    Rates rates;
    rates.product = lattice::product_rates(best_instruction_set());
    rates.shift_coefficient = measure_shift();
    // One map a polynomial: many results in each response. And small maps, so packed that a response carries a single
    // one.
    const Sample large(sample_network(network, 2, 16, 44, 0));
    const Sample small(sample_network(network, 2, 32, 8, 28));

    if (network.plain_bits <= scheme::kMaxPairedBits)
        rates.chunk = measure_chunks(usual(network.plain_bits, kUsualPlainBits), network);
    if (network.plain_bits == 0 || network.plain_bits > scheme::kMaxPairedBits)
        rates.wide_chunk = measure_chunks(usual(network.plain_bits, kUsualWideBits), network);
    rates.prepare_upload = large.client(step::kPrepareUpload);
    rates.encrypt = large.client(step::kEncrypt);
    rates.setup = large.client(step::kSetup);  // the client waits for the server in it
    const double many = large.results_of_response(), few = small.results_of_response();
    const auto line = [&](double at_many, double at_few, double& fixed, double& each) {
        each = std::max(0.0, (at_many - at_few) / (many - few));
        fixed = std::max(0.0, at_few - few * each);
    };
    line(large.client(step::kDecrypt), small.client(step::kDecrypt), rates.decrypt, rates.decrypt_value);
    line(large.server(step::kMask), small.server(step::kMask), rates.mask, rates.mask_value);
    {
        // A layer has two spans of kLinear: adding the share to all its uploads, and the product.
        const LayerWork work = layer_work(large.model.architecture(), large.model.plan(), large.model.cost(), 1, rates);
        const auto& spans = large.spans.server.at({step::kLinear, 1});
        std::vector<double> layers;
        for (std::size_t i = 0; i + 1 < spans.size(); i += 2) layers.push_back(spans[i] + spans[i + 1]);
        rates.add_share = std::max(0.0, median(std::move(layers)) - work.product - work.shifts) /
                          static_cast<double>(large.model.cost().layers[1].upload_ciphertexts);
    }
    return rates;
}

}  // namespace

RatedNetwork rated(const model::Architecture& architecture) {
    RatedNetwork result{architecture.plain_bits, architecture.layers.front().share_bits, true};
    for (const model::Layer& layer : architecture.layers)
        if (layer.activation && layer.curve == model::Curve::kSquare) result.sines_only = false;
    return result;
}

Rates measure_rates(const RatedNetwork& network) {
    Rates rates = measure_work(network);
    const ChannelRates memory = measure_memory(), tls = measure_tls();
    rates.memory_byte = memory.byte;
    rates.tls_byte = tls.byte;
    measure_overheads(network, rates);
    // Two messages there and two back in every layer: vectors and uploads wake threads too.
    rates.tls_turn = rates.memory_turn + 2 * std::max(0.0, tls.turn - memory.turn);
    return rates;
}

}  // namespace flash::planner
