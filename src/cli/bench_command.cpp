#include <CLI/CLI.hpp>
#include <memory>

#include "cli/checks.h"
#include "cli/commands.h"
#include "comparison/layer_bench.h"
#include "comparison/network_bench.h"
#include "data/dataset.h"

namespace flash::cli {

namespace {

constexpr const char* kJsonHelp = "Write everything as JSON to this file as well; - prints it instead of the tables";

void add_layers(CLI::App& bench) {
    auto command = std::make_shared<comparison::LayersCommand>();
    CLI::App* sub =
        bench.add_subcommand("layers", "One linear layer at a time: the server's work beside the plain convolution");
    sub->add_option("--layer", command->layers,
                    "Layers as CxHxW-OUTPUTS-KHxKWsSTRIDE (default: those of ResNet-18 and ResNet-32)");
    sub->add_option(
           "--degree", command->degree,
           "Degree of the ring, 1024 or 2048, whether the noise fits or not (default: as the compiler chooses)")
        ->check(CLI::IsMember({1024, 2048}));
    sub->add_option("--threads", command->threads, "Threads to compute with (default: all cores)")->check(threads());
    sub->add_option("--runs", command->runs, "Runs; the median is reported")->capture_default_str()->check(count());
    sub->add_option("--json", command->json, kJsonHelp)->check(not_empty());
    sub->footer(
        "Example:\n  flash bench layers --layer 64x56x56-64-3x3s1 256x14x14-256-3x3s1 --threads 1 --json layers.json");
    sub->callback([command] { comparison::run_layers(*command); });
}

void add_network(CLI::App& bench) {
    auto command = std::make_shared<comparison::NetworkCommand>();
    CLI::App* sub =
        bench.add_subcommand("network", "Whole inferences, both parties on this machine, beside the plain network");
    sub->add_option("model", command->model, "Compiled model")->required();
    sub->add_option("--data", command->data,
                    "Pictures, spread evenly over: " + data::dataset_forms() + " (default: random pixels)")
        ->check(not_empty());
    sub->add_option("--inputs", command->inputs,
                    "So many pictures take turns; the logits of each are compared with the clear-text twin's")
        ->capture_default_str()
        ->check(count());
    sub->add_option("--onnx", command->onnx,
                    "The network as it was exported: measure it beside the plain network that was compiled")
        ->check(not_empty());
    sub->add_option("--threads", command->threads,
                    "Threads of both parties together, and of the plain network (default: all cores)")
        ->check(threads());
    sub->add_option("--runs", command->runs, "Runs, at least one for each picture; the median is reported")
        ->capture_default_str()
        ->check(count());
    sub->add_option("--link-runs", command->link_runs, "Runs over each emulated link (default: as many)")
        ->check(count());
    sub->add_option("--link", command->links,
                    "Also over TLS with emulated links: none, lan, wan, or BANDWIDTH,RTT like 400M,40ms");
    sub->add_flag("--guard", command->guard,
                  "Each connection also with a server that guards its vectors (flash serve --guard)");
    sub->add_flag("--scaling", command->scaling,
                  "Also run the server alone, on recorded messages, on 1, 2, 4 ... cores");
    sub->add_option("--json", command->json, kJsonHelp)->check(not_empty());
    sub->footer(
        "Examples:\n  flash bench network resnet.flash --onnx resnet.onnx --data cifar100:/data --link lan wan\n  "
        "flash bench network resnet.flash --scaling --runs 15 --json resnet.json");
    sub->callback([command] { comparison::run_network(*command); });
}

}  // namespace

void add_bench(CLI::App& program) {
    CLI::App* sub =
        program.add_subcommand("bench", "Measure private inference beside plain float32 inference on this machine");
    sub->require_subcommand(1);
    sub->footer("Examples:\n  flash bench layers\n  flash bench network resnet.flash --scaling");
    add_layers(*sub);
    add_network(*sub);
}

}  // namespace flash::cli
