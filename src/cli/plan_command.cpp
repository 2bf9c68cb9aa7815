#include <CLI/CLI.hpp>
#include <memory>

#include "app/plan.h"
#include "cli/checks.h"
#include "cli/commands.h"

namespace flash::cli {

void add_plan(CLI::App& program) {
    auto command = std::make_shared<app::PlanCommand>();
    CLI::App* sub = program.add_subcommand(
        "plan", "Show the layers of a compiled model with exact bytes, and predict its time over a link");
    sub->add_option("model", command->model, "Compiled model")->required();
    auto* link =
        sub->add_option("--link", command->place.link,
                        "The link between the parties: lan, wan, or BANDWIDTH,RTT like 400M,40ms; none: this machine's "
                        "loopback interface");
    link->capture_default_str();
    auto* cores = sub->add_option("--cores", command->place.cores,
                                  "Cores of each party, like this machine's (default: as many as it has)");
    cores->check(threads());
    auto* shared = sub->add_flag("--shared-cores", command->place.shared_cores,
                                 "Both parties on the same cores, as in flash bench; always so without a link");
    auto* bytes = sub->add_flag("--bytes-only", command->bytes_only,
                                "Only what follows from the model: measure nothing, predict no time");
    for (CLI::Option* timed : {link, cores, shared}) bytes->excludes(timed);
    sub->add_option("--replan", command->replan,
                    "Write the model packed anew for this link and these cores to this file; its weights, and the "
                    "slots that they are "
                    "made for, stay as they are")
        ->check(not_empty())
        ->excludes(bytes);
    sub->add_flag("--json", command->json, "Print JSON instead of tables");
    sub->footer(
        "Examples:\n  flash plan resnet.flash --link wan\n  flash plan resnet.flash --link 100M,20ms --cores 16 "
        "--replan resnet-wan.flash");
    sub->callback([command] { app::run_plan(*command); });
}

}  // namespace flash::cli
