#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "app/compile.h"
#include "cli/checks.h"
#include "cli/commands.h"
#include "data/dataset.h"
#include "scheme/composite_parameters.h"

namespace flash::cli {

namespace {

/// "auto" is 0, which nobody can mean otherwise.
CLI::Validator margin() {
    return CLI::Validator(
        [](std::string& text) {
            if (text != "auto") return number(1, 16)(text);
            text = "0";
            return std::string();
        },
        "", "");
}

/// None if there is no such shape.
std::optional<model::SlotChoice> shape_named(const std::string& name) {
    for (const scheme::CompositeShape& shape : scheme::kCompositeShapes)
        if (name == fmt::format("{},{}", shape.degree, shape.residues))
            return model::SlotChoice{static_cast<int>(shape.degree), shape.residues};
    return std::nullopt;
}

std::string all_shapes() {
    std::string names;
    for (const scheme::CompositeShape& shape : scheme::kCompositeShapes)
        names += fmt::format("{}{},{}", names.empty() ? "" : " ", shape.degree, shape.residues);
    return names;
}

CLI::Validator slot_shape() {
    return CLI::Validator(
        [](std::string& text) {
            return shape_named(text) ? std::string() : fmt::format("'{}' is not one of {}", text, all_shapes());
        },
        "", "");
}

}  // namespace

void add_compile(CLI::App& program) {
    auto command = std::make_shared<app::CompileCommand>();
    CLI::App* sub = program.add_subcommand("compile", "Compile an ONNX model: import, fold, calibrate, quantise");
    sub->add_option("model", command->onnx,
                    "ONNX file (operator sets 7 to 23; activations a x^2 + b x + c, or of sines)")
        ->required();
    sub->add_option("--calib", command->calibration, "Calibration pictures: " + data::dataset_forms())->required();
    sub->add_option("-o,--out", command->out, "Compiled model to write (default: the ONNX name with .flash)")
        ->check(not_empty());
    sub->add_option("--calib-images", command->calibration_images,
                    "Pictures to calibrate on, spread evenly over the set")
        ->capture_default_str()
        ->check(count());
    app::PictureOptions& pictures = command->pictures;
    sub->add_option(
           "--input-size", pictures.input_size,
           "Height and width of the network's input (one number: both), as a check: pictures are cropped to it")
        ->expected(1, 2)
        ->check(whole_number(1, 1 << 14));
    sub->add_option("--resize", pictures.resize, "Short side that pictures are resized to before the crop; 0: none")
        ->check(whole_number(0, 1 << 14));
    sub->add_option("--mean", pictures.mean, "Mean of each channel, which is subtracted from scaled pixels")
        ->delimiter(',')
        ->check(number(-1e6, 1e6));
    sub->add_option("--std", pictures.std, "Standard deviation of each channel, by which they are divided then")
        ->delimiter(',')
        ->check(number(1e-9, 1e6));
    sub->add_option("--scale", pictures.scale, "Factor of pixels 0..255, before mean and std (default: 1/255)")
        ->check(number(1e-9, 1e6));
    sub->add_option("--classes", pictures.classes, "File with the name of a class on each line, in UTF-8")
        ->check(not_empty());
    sub->add_option("--name", command->options.name, "Name of the model (default: from the ONNX file)")
        ->check(not_empty());
    sub->add_option("--margin", command->options.margin,
                    "Room above the calibrated ranges: a factor of 1 to 16, or auto: measured (default)")
        ->transform(margin());
    sub->add_option("--share-bits", command->options.share_bits,
                    "Bits m of pre-activation shares, 6 to 16, and fewer where the noise leaves no room for so many "
                    "(default: chosen for each layer)")
        ->check(whole_number(6, 16));
    sub->add_option("--plain-bits", command->options.plain_bits,
                    "Bits of the plaintext modulus T, 24 to 28 (default: chosen)")
        ->check(whole_number(24, 28));
    auto slots = std::make_shared<std::string>();
    sub->add_option("--slots", *slots,
                    "Slots of the activations as N,K: degree of the ring and values in a slot, of " + all_shapes() +
                        " (default: chosen)")
        ->check(slot_shape());
    sub->add_option("--target-snr", command->options.target_snr_db,
                    "Logit signal to quantisation noise that is good enough, in dB")
        ->capture_default_str()
        ->check(number(0, 120));
    sub->add_flag_callback(
        "--large-ring", [command] { command->options.small_ring = false; },
        "All linear layers in the ring of degree 2048, also where the one of 1024 sends less");
    sub->add_flag("--trust-server", command->options.trust_server,
                  "One key of the linear layers for all depths: fewer bytes where layers read far back (DenseNet), but "
                  "private from a server that follows the protocol only (semi-honest, and assuming circular "
                  "security); clients have to accept that");
    auto place = std::make_shared<app::Place>();
    auto* link = sub->add_option("--link", place->link,
                                 "Choose slots and packing for the least time over this link, by this machine's speed: "
                                 "lan, wan, or BANDWIDTH,RTT "
                                 "like 400M,40ms; none: loopback (default: for the fewest bytes)");
    sub->add_option("--cores", place->cores, "With --link: cores of each party (default: as many as this machine has)")
        ->check(threads())
        ->needs(link);
    sub->add_option("--threads", command->threads, "Threads to compute with (default: all cores)")->check(threads());
    sub->add_option("--least-agreement", command->least_agreement,
                    "Share of the check pictures on which the float network's class must be kept, 0 to 1")
        ->capture_default_str()
        ->check(number(0, 1));
    sub->add_option("--accuracy-loss", command->accuracy_loss,
                    "Where the check pictures have labels: accuracy that may be lost to the integers, 0 to 1")
        ->capture_default_str()
        ->check(number(0, 1));
    sub->add_flag("--force", command->force, "Write the model even where it keeps less than these ask for");
    sub->add_flag("--json", command->json, "Print JSON instead of tables");
    sub->footer(
        "Examples:\n  flash compile resnet.onnx --calib cifar10:/data --out resnet.flash\n  flash compile resnet.onnx "
        "--calib cifar10:/data --link wan\n  flash compile other.onnx --calib images:/data --resize 256 --mean "
        "0.485,0.456,0.406 --std 0.229,0.224,0.225 --classes classes.txt");
    sub->callback([command, place, link, slots] {
        if (link->count() > 0) command->place = *place;
        command->options.slots = shape_named(*slots);
        app::run_compile(*command);
    });
}

}  // namespace flash::cli
