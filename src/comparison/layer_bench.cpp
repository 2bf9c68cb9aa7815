#include "comparison/layer_bench.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <random>

#include "app/threads.h"
#include "base/cores.h"
#include "base/progress.h"
#include "base/standard_output.h"
#include "base/table.h"
#include "comparison/kernels/bare_loops.h"
#include "comparison/machine.h"
#include "comparison/replay.h"
#include "comparison/report.h"
#include "packing/linear_map.h"
#include "protocol/message_types.h"
#include "protocol/prepared_model.h"

namespace flash::comparison {

namespace {

constexpr double kBatchSeconds = 0.01;  // a sample of something short is the median of calls that last so long

std::vector<std::int32_t> random_input(const model::Architecture& architecture) {
    std::mt19937_64 random(1);
    std::uniform_int_distribution<std::int32_t> pixel(-architecture.input_limit, architecture.input_limit);
    std::vector<std::int32_t> input(static_cast<std::size_t>(architecture.input.size()));
    for (auto& value : input) value = pixel(random);
    return input;
}

/// The b-half product on random ciphertexts.
class Product {
public:
    explicit Product(const protocol::PreparedModel& model) : model_(model) {
        std::mt19937 random(2);
        for (const packing::Stream& stream : model.plan().streams) {
            auto& words = streams_.emplace_back(static_cast<std::size_t>(stream.polynomials()) * stream.degree());
            for (auto& word : words)
                word = static_cast<std::uint32_t>(random()) >> (8 * stream.zero_low_bytes())
                                                                   << (8 * stream.zero_low_bytes());
        }
        for (int band = 0; band < model.plan().layers.front().bands; ++band)
            results_.emplace_back(model.plan().layers.front().result_words(band));
    }
    void operator()() {
        for (std::size_t band = 0; band < results_.size(); ++band)
            packing::apply_results(
                model_.layer(0).map, model_.plan(), 0, static_cast<int>(band),
                [&](int stream) { return std::span<const std::uint32_t>(streams_[static_cast<std::size_t>(stream)]); },
                results_[band]);
    }

private:
    const protocol::PreparedModel& model_;
    std::vector<std::vector<std::uint32_t>> streams_;
    std::vector<std::vector<std::uint32_t>> results_;  // by band
};

/// Multiply-adds of ciphertext words, at the coefficients that are computed.
std::int64_t ring_multiply_adds(const protocol::PreparedModel& model) {
    const packing::LinearPlan& linear = model.plan().layers.front();
    double sum = 0;
    for (const packing::TermMatrix& matrix : model.layer(0).map.matrices)
        for (int band = 0; band < linear.bands; ++band) sum += matrix.product.multiply_adds(linear.tiles_of_band(band));
    return static_cast<std::int64_t>(sum);
}

/// Seconds that the bare loop of these kernels takes for as many multiply-adds as the product does, on one core.
double bare_seconds(BareLoop loop, const protocol::PreparedModel& model, std::int64_t multiply_adds) {
    constexpr std::uint64_t kRounds = 100'000;  // about a millisecond
    // Byte-wise instructions multiply every byte of a word that is there.
    const int parts =
        best_instruction_set() >= InstructionSet::kAvx512 ? 4 - model.plan().streams.front().zero_low_bytes() : 1;
    const auto begin = std::chrono::steady_clock::now();
    const double done = loop(kRounds);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return seconds * static_cast<double>(multiply_adds) * parts / done;
}

double server_online(const protocol::PreparedModel& model, const Recording& recording) {
    ReplayChannel channel(recording);
    replay_server(model, recording, channel);
    return channel.seconds_between(protocol::message_type::kUpload, protocol::message_type::kLinearResponse);
}

}  // namespace

LayerResult measure_layer(const LayerShape& shape, const LayerOptions& options) {
    const auto limit = app::limit_threads(options.threads);
    LayerResult result;
    result.shape = shape;
    const protocol::PreparedModel model(one_layer_model(shape, 1, options.degree));
    result.ring_multiply_adds = ring_multiply_adds(model);
    result.degree = static_cast<int>(model.plan().layers.front().degree());
    result.response_ciphertexts = model.plan().layers.front().polynomials();
    for (const packing::Stream& stream : model.plan().streams) result.upload_ciphertexts += stream.polynomials();

    const Recording recording = record_inference(model, random_input(model.architecture()), 1, 2);
    Product product(model);
    PlainTimer plain(options.threads, [&](const PlainFactory& factory, int threads) {
        return factory.convolution(shape.input, shape.outputs, shape.window, threads);
    });
    const std::function<void()> multiply = [&] { product(); };
    const int product_calls = calls_that_last(multiply, kBatchSeconds);
    server_online(model, recording);  // warms it up
    for (int run = 0; run < options.runs; ++run) {
        let_others_sleep();
        if (const BareLoop loop = bare_loop(best_instruction_set()))
            result.bare.add(bare_seconds(loop, model, result.ring_multiply_adds));
        result.product.add(seconds_per_call(multiply, product_calls));
        result.online.add(server_online(model, recording));
        plain.run();
    }
    result.plain = plain.result();
    return result;
}

nlohmann::json to_json(const LayerResult& r) {
    nlohmann::json json{{"layer", r.shape.text()},
                        {"multiply_adds", r.shape.multiply_adds()},
                        {"ring_multiply_adds", r.ring_multiply_adds},
                        {"degree", r.degree},
                        {"upload_ciphertexts", r.upload_ciphertexts},
                        {"response_ciphertexts", r.response_ciphertexts},
                        {"product", to_json(r.product)},
                        {"online", to_json(r.online)},
                        {"multiply_adds_per_s", static_cast<double>(r.shape.multiply_adds()) / r.product.median()},
                        {"ring_multiply_adds_per_s", static_cast<double>(r.ring_multiply_adds) / r.product.median()},
                        {"plain", to_json(r.plain)},
                        {"bare", nullptr}};
    if (!r.bare.empty()) {
        json["bare"] = to_json(r.bare);
        json["bare_over_product"] = ratio_json(r.bare, r.product);
    }
    if (!r.plain.empty()) {
        json["plain"]["multiply_adds_per_s"] = static_cast<double>(r.shape.multiply_adds()) / r.plain.seconds.median();
        json["product_over_plain"] = ratio_json(r.product, r.plain.seconds);
        json["online_over_plain"] = ratio_json(r.online, r.plain.seconds);
    }
    return json;
}

namespace {

std::string layers_table(const std::vector<LayerResult>& results) {
    Table table({{"layer"},
                 {"MMAC", Align::kRight},
                 {"n", Align::kRight},
                 {"ct up", Align::kRight},
                 {"ct down", Align::kRight},
                 {"product", Align::kRight},
                 {"GMAC/s", Align::kRight},
                 {"ring GMAC/s", Align::kRight},
                 {"of bare loop", Align::kRight},
                 {"server online", Align::kRight},
                 {"plain float32", Align::kRight},
                 {"GMAC/s", Align::kRight},
                 {"algorithm, threads"},
                 {"product/plain", Align::kRight},
                 {"online/plain", Align::kRight}});
    for (const LayerResult& r : results) {
        const auto rate = [&](std::int64_t count, const Samples& s) {
            return fmt::format("{:.1f}", 1e-9 * static_cast<double>(count) / s.median());
        };
        std::vector<std::string> row{r.shape.text(),
                                     fmt::format("{:.2f}", 1e-6 * static_cast<double>(r.shape.multiply_adds())),
                                     std::to_string(r.degree),
                                     with_separators(r.upload_ciphertexts),
                                     with_separators(r.response_ciphertexts),
                                     human_seconds(r.product.median()),
                                     rate(r.shape.multiply_adds(), r.product),
                                     rate(r.ring_multiply_adds, r.product),
                                     r.bare.empty() ? "" : fmt::format("{:.0f}%", 100 * r.bare.min() / r.product.min()),
                                     human_seconds(r.online.median())};
        if (!r.plain.empty())
            for (const std::string& cell :
                 {human_seconds(r.plain.seconds.median()), rate(r.shape.multiply_adds(), r.plain.seconds),
                  fmt::format("{}, {}", r.plain.algorithm, r.plain.threads), ratio_text(r.product, r.plain.seconds),
                  ratio_text(r.online, r.plain.seconds)})
                row.push_back(cell);
        table.add_row(std::move(row));
    }
    return table.str();
}

}  // namespace

void run_layers(const LayersCommand& command) {
    require_destination(command.json);
    LayerOptions options;
    options.threads = command.threads > 0 ? command.threads : available_cores();
    options.runs = command.runs;
    options.degree = command.degree;
    std::vector<LayerShape> shapes;
    for (const std::string& text : command.layers.empty() ? default_layer_shapes() : command.layers)
        shapes.push_back(parse_layer_shape(text));

    const nlohmann::json machine = machine_json();  // the load before the measurement
    nlohmann::json json{
        {"kind", "flash bench layers"}, {"machine", machine}, {"threads", options.threads}, {"runs", options.runs}};
    std::vector<LayerResult> results;
    Progress progress("layers", shapes.size());
    for (const LayerShape& shape : shapes) {
        progress.set_label(shape.text());
        results.push_back(measure_layer(shape, options));
        json["layers"].push_back(to_json(results.back()));
        progress.advance();
    }
    progress.finish();
    if (write_json(json, command.json)) return;
    print_result("{}\n{}\n", machine_text(machine, options.threads), layers_table(results));
    print_result(
        "Medians of {} runs. The server's side of one layer: product = the b half alone, online = receive, add the "
        "share, product, mask,\n"
        "pack and send. n = degree of the ring. MAC = multiply-adds of the plain convolution; ring MAC = those on "
        "ciphertext words; bare loop = nothing but\n"
        "the kernel's multiply-accumulate instruction, on one core, fastest against fastest. Ratios are those of the "
        "medians\n"
        "and, in brackets, of the fastest runs; ~ marks those with a median far above the fastest: the machine was "
        "disturbed.\n",
        options.runs);
}

}  // namespace flash::comparison
